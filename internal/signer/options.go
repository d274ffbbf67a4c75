package signer

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/signet-dev/signet/internal/logging"
)

// none turns a listener off.
const none = "0"

// These keep flags in a range in which nothing overflows.
const (
	maxMaxBody   = 1 << 30
	maxMaxHeader = 1 << 20
	minMaxHeader = 4 << 10
)

// Options are the signer's flags.
type Options struct {
	Kubeconfig string
	Namespaces []string

	SignBindAddress     string
	EnvoyBindAddress    string
	ExtAuthzBindAddress string
	VerifyBindAddress   string

	TLS    TLSFiles
	Limits Limits

	MetricsBindAddress     string
	HealthProbeBindAddress string
	ShutdownDelay          time.Duration
	GracefulShutdown       time.Duration

	logging.Options
}

// DefaultOptions are those of a signer that was given no flags.
func DefaultOptions() Options {
	return Options{
		SignBindAddress: ":8443", EnvoyBindAddress: ":8444", ExtAuthzBindAddress: ":8445", VerifyBindAddress: ":8446",
		MetricsBindAddress: "127.0.0.1:8080", HealthProbeBindAddress: ":8081",
		Limits: Limits{
			MaxBody: 1 << 20, MaxHeader: 64 << 10, ReadTimeout: 30 * time.Second, MaxConnections: 4096,
			FailureRate: 20, FailureBurst: 200,
		},
		ShutdownDelay: 5 * time.Second, GracefulShutdown: 20 * time.Second,
		Options: logging.DefaultOptions(),
	}
}

// Bind adds the flags to a set, with the options as defaults.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "`file` with the API server's address and credentials; empty: KUBECONFIG, else the Pod's ServiceAccount")
	flags.StringSliceVar(&o.Namespaces, "namespaces", o.Namespaces, "sign for these `namespaces` alone, under Roles; empty: for all, under a ClusterRole")
	flags.StringVar(&o.SignBindAddress, "sign-bind-address", o.SignBindAddress, "`address` of /sign/<namespace>/<environment>/<kind>/<name>, for gateways that describe the request in X-Forwarded-Method, -Uri and -Host; 0: none")
	flags.StringVar(&o.EnvoyBindAddress, "envoy-bind-address", o.EnvoyBindAddress, "`address` of /envoy/<namespace>/<environment>/<kind>/<name>/…, for gateways that append the request's target; 0: none")
	flags.StringVar(&o.ExtAuthzBindAddress, "ext-authz-bind-address", o.ExtAuthzBindAddress, "`address` of Envoy's ext_authz v3 over gRPC, with the slot in the context extension slot; 0: none")
	flags.StringVar(&o.VerifyBindAddress, "verify-bind-address", o.VerifyBindAddress, "`address` of /verify/<namespace>/<environment>/<kind>/<name>, for backends; 0: none")
	flags.StringVar(&o.TLS.Certificate, "tls-cert", o.TLS.Certificate, "`file` with the signer's certificate, in PEM; taken up again when it changes. Without it only loopback addresses are served, in plain text, to everybody on this machine")
	flags.StringVar(&o.TLS.Key, "tls-key", o.TLS.Key, "`file` with the certificate's private key")
	flags.StringVar(&o.TLS.ClientCA, "client-ca", o.TLS.ClientCA, "`file` with the authorities that issue certificates to callers; their URI SANs say what a caller may do")
	flags.Int64Var(&o.Limits.MaxBody, "max-body", o.Limits.MaxBody, "`bytes` of a body that are read; larger ones get 413")
	flags.IntVar(&o.Limits.MaxHeader, "max-header", o.Limits.MaxHeader, "`bytes` that the headers of a request may have; larger ones get 431")
	flags.DurationVar(&o.Limits.ReadTimeout, "read-timeout", o.Limits.ReadTimeout, "how long a request may take to arrive")
	flags.IntVar(&o.Limits.MaxConnections, "max-connections", o.Limits.MaxConnections, "`number` of connections to each face at a time; with TLS a caller gets another one while it has fewer than are free, without it more have to wait")
	flags.Float64Var(&o.Limits.FailureRate, "verify-failure-rate", o.Limits.FailureRate, "failed verifications a `second` that a caller has for each slot; beyond it everything of the two gets 429. 0: no limit")
	flags.IntVar(&o.Limits.FailureBurst, "verify-failure-burst", o.Limits.FailureBurst, "`number` of failed verifications that a caller has at once")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "`address` of /metrics, without TLS; 0: none")
	flags.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", o.HealthProbeBindAddress, "`address` of /healthz and /readyz; 0: none")
	flags.DurationVar(&o.ShutdownDelay, "shutdown-delay", o.ShutdownDelay, "how long requests are still taken after SIGTERM, not ready any more, until gateways have noticed")
	flags.DurationVar(&o.GracefulShutdown, "graceful-shutdown-timeout", o.GracefulShutdown, "how long requests under way may take after that")
	o.Options.Bind(flags)
}

// Validate says which flag is wrong, and what it may be.
func (o *Options) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(slices.Contains(o.Namespaces, ""), "--namespaces takes names, separated by commas, none of them empty")
	tls := o.TLS
	refuse(tls.Given() && (tls.Certificate == "" || tls.Key == "" || tls.ClientCA == ""), "--tls-cert, --tls-key and --client-ca go together")
	refuse(o.Limits.MaxBody < 0 || o.Limits.MaxBody > maxMaxBody, "--max-body is %d and must be from 0 to %d", o.Limits.MaxBody, maxMaxBody)
	refuse(o.Limits.MaxHeader < minMaxHeader || o.Limits.MaxHeader > maxMaxHeader, "--max-header is %d and must be from %d to %d", o.Limits.MaxHeader, minMaxHeader, maxMaxHeader)
	refuse(o.Limits.ReadTimeout <= 0, "--read-timeout is %s and must be longer than 0", o.Limits.ReadTimeout)
	refuse(o.Limits.MaxConnections < 1, "--max-connections is %d and must be at least 1", o.Limits.MaxConnections)
	refuse(o.Limits.FailureRate < 0, "--verify-failure-rate is %g and must not be negative", o.Limits.FailureRate)
	refuse(o.Limits.FailureRate > 0 && o.Limits.FailureBurst < 1, "--verify-failure-burst is %d and must be at least 1", o.Limits.FailureBurst)
	refuse(o.ShutdownDelay < 0 || o.GracefulShutdown < 0, "--shutdown-delay and --graceful-shutdown-timeout must not be negative")
	if err := o.Options.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, o.validateAddresses()...)...)
}

func (o *Options) validateAddresses() []error {
	var errs []error
	served := false
	for _, at := range []struct {
		flag, address string
		face          bool
	}{
		{"--sign-bind-address", o.SignBindAddress, true}, {"--envoy-bind-address", o.EnvoyBindAddress, true},
		{"--ext-authz-bind-address", o.ExtAuthzBindAddress, true}, {"--verify-bind-address", o.VerifyBindAddress, true},
		{"--metrics-bind-address", o.MetricsBindAddress, false}, {"--health-probe-bind-address", o.HealthProbeBindAddress, false},
	} {
		if at.address == none {
			continue
		}
		served = served || at.face
		host, port, err := net.SplitHostPort(at.address)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no address: give host:port, :port, or 0 for none", at.flag, at.address))
			continue
		}
		if number, err := strconv.ParseUint(port, 10, 16); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q has no port from 0 to 65535", at.flag, at.address))
		} else if ip := net.ParseIP(host); at.face && !o.TLS.Given() && (host == "" || (ip != nil && !ip.IsLoopback())) {
			errs = append(errs, fmt.Errorf("%s: %q, port %d: %w", at.flag, at.address, number, errNotLoopback))
		}
	}
	if !served {
		errs = append(errs, errors.New("every face is turned off: there is nothing to serve"))
	}
	return errs
}
