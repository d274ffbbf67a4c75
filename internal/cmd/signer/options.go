// SPDX-License-Identifier: Apache-2.0

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
	"github.com/signet-dev/signet/internal/signer"
)

// The ranges of flags. They keep sums of limits from overflowing.
const (
	maxMaxBody   = 1 << 30
	maxMaxHeader = 1 << 20
	minMaxHeader = 4 << 10
	// minMaxDataAge is more than the time between two signs of life.
	minMaxDataAge = 2 * time.Minute
)

// Options are the flags of the command.
type Options struct {
	Kubeconfig string
	signer.Config
	logging.Options
}

// DefaultOptions returns the options of a command without flags.
func DefaultOptions() Options {
	return Options{
		Config: signer.Config{
			SignBindAddress: ":8443", EnvoyBindAddress: ":8444", ExtAuthzBindAddress: ":8445", VerifyBindAddress: ":8446",
			MetricsBindAddress: "127.0.0.1:8080", HealthProbeBindAddress: ":8081",
			Limits: signer.Limits{
				MaxBody: 1 << 20, MaxHeader: 64 << 10, ReadTimeout: 30 * time.Second, MaxConnections: 4096,
				FailureRate: 20, FailureBurst: 200,
			},
			ShutdownDelay: 5 * time.Second, GracefulShutdown: 20 * time.Second,
		},
		Options: logging.DefaultOptions(),
	}
}

// Bind adds the flags to a set, with the options as defaults.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig `file` (default: KUBECONFIG, else the Pod's ServiceAccount)")
	flags.StringSliceVar(&o.Namespaces, "namespaces", o.Namespaces, "`namespaces` to sign for, which need only Roles (default: all, which needs a ClusterRole)")
	flags.StringVar(&o.SignBindAddress, "sign-bind-address", o.SignBindAddress, "`address` to serve /sign/<namespace>/<environment>/<kind>/<name> on, for gateways that describe the request in X-Forwarded-Method, -Uri and -Host (0 disables)")
	flags.StringVar(&o.EnvoyBindAddress, "envoy-bind-address", o.EnvoyBindAddress, "`address` to serve /envoy/<namespace>/<environment>/<kind>/<name>/… on, for gateways that append the request's target (0 disables)")
	flags.StringVar(&o.ExtAuthzBindAddress, "ext-authz-bind-address", o.ExtAuthzBindAddress, "`address` to serve Envoy's ext_authz v3 over gRPC on; the slot is in the context extension slot (0 disables)")
	flags.StringVar(&o.VerifyBindAddress, "verify-bind-address", o.VerifyBindAddress, "`address` to serve /verify/<namespace>/<environment>/<kind>/<name> on, for backends (0 disables)")
	flags.StringVar(&o.TLS.Certificate, "tls-cert", o.TLS.Certificate, "`file` with the signer's certificate in PEM, reloaded when it changes; without it, the endpoints accept only loopback addresses and serve plain text to all clients on this machine")
	flags.StringVar(&o.TLS.Key, "tls-key", o.TLS.Key, "`file` with the private key of the certificate")
	flags.StringVar(&o.TLS.ClientCA, "client-ca", o.TLS.ClientCA, "`file` with the authorities that issue client certificates, whose URI SANs define what a caller may do")
	flags.Int64Var(&o.Limits.MaxBody, "max-body", o.Limits.MaxBody, "maximum size of a body in `bytes`; larger ones get 413")
	flags.IntVar(&o.Limits.MaxHeader, "max-header", o.Limits.MaxHeader, "maximum size of a request's headers in `bytes`; larger ones get 431")
	flags.DurationVar(&o.Limits.ReadTimeout, "read-timeout", o.Limits.ReadTimeout, "time that a request may take to arrive")
	flags.IntVar(&o.Limits.MaxConnections, "max-connections", o.Limits.MaxConnections, "maximum `number` of concurrent connections to each endpoint; with TLS, a caller gets another one while it has fewer than are free; without TLS, further ones wait")
	flags.Float64Var(&o.Limits.FailureRate, "verify-failure-rate", o.Limits.FailureRate, "allowed `number` of wrong signatures and passwords per second for each caller and slot; beyond it, all requests of the two get 429 (0 disables)")
	flags.IntVar(&o.Limits.FailureBurst, "verify-failure-burst", o.Limits.FailureBurst, "allowed `number` of wrong signatures and passwords at once for each caller and slot")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "`address` to serve /metrics on, without TLS (0 disables)")
	flags.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", o.HealthProbeBindAddress, "`address` to serve /healthz and /readyz on (0 disables)")
	flags.DurationVar(&o.MaxDataAge, "max-data-age", o.MaxDataAge, "time without anything from the API server after which the signer is not ready; at least 2m, since it sends something about once a minute (0 disables)")
	flags.DurationVar(&o.ShutdownDelay, "shutdown-delay", o.ShutdownDelay, "time after SIGTERM in which the signer is not ready but still accepts requests, until gateways have noticed")
	flags.DurationVar(&o.GracefulShutdown, "graceful-shutdown-timeout", o.GracefulShutdown, "time that requests in progress may take after --shutdown-delay")
	o.Options.Bind(flags)
}

// Validate returns an error that names each invalid flag and its allowed values.
func (o *Options) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(slices.Contains(o.Namespaces, ""), "--namespaces must be comma-separated names, none of them empty")
	tls := o.TLS
	refuse(tls.Enabled() && (tls.Certificate == "" || tls.Key == "" || tls.ClientCA == ""), "--tls-cert, --tls-key and --client-ca must be set together")
	refuse(o.Limits.MaxBody < 0 || o.Limits.MaxBody > maxMaxBody, "--max-body is %d, but must be from 0 to %d", o.Limits.MaxBody, maxMaxBody)
	refuse(o.Limits.MaxHeader < minMaxHeader || o.Limits.MaxHeader > maxMaxHeader, "--max-header is %d, but must be from %d to %d", o.Limits.MaxHeader, minMaxHeader, maxMaxHeader)
	refuse(o.Limits.ReadTimeout <= 0, "--read-timeout is %s, but must be longer than 0", o.Limits.ReadTimeout)
	refuse(o.Limits.MaxConnections < 1, "--max-connections is %d, but must be at least 1", o.Limits.MaxConnections)
	refuse(o.Limits.FailureRate < 0, "--verify-failure-rate is %g, but must not be negative", o.Limits.FailureRate)
	refuse(o.Limits.FailureRate > 0 && o.Limits.FailureBurst < 1, "--verify-failure-burst is %d, but must be at least 1", o.Limits.FailureBurst)
	refuse(o.MaxDataAge != 0 && o.MaxDataAge < minMaxDataAge, "--max-data-age is %s, but must be 0 or at least %s", o.MaxDataAge, minMaxDataAge)
	refuse(o.ShutdownDelay < 0, "--shutdown-delay is %s, but must not be negative", o.ShutdownDelay)
	refuse(o.GracefulShutdown < 0, "--graceful-shutdown-timeout is %s, but must not be negative", o.GracefulShutdown)
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
		endpoint      bool
	}{
		{"--sign-bind-address", o.SignBindAddress, true}, {"--envoy-bind-address", o.EnvoyBindAddress, true},
		{"--ext-authz-bind-address", o.ExtAuthzBindAddress, true}, {"--verify-bind-address", o.VerifyBindAddress, true},
		{"--metrics-bind-address", o.MetricsBindAddress, false}, {"--health-probe-bind-address", o.HealthProbeBindAddress, false},
	} {
		if at.address == signer.Disabled {
			continue
		}
		served = served || at.endpoint
		host, port, err := net.SplitHostPort(at.address)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s is %q, but must be host:port, :port or 0", at.flag, at.address))
			continue
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			errs = append(errs, fmt.Errorf("%s is %q, but must have a port from 0 to 65535", at.flag, at.address))
		} else if ip := net.ParseIP(host); at.endpoint && !o.TLS.Enabled() && (host == "" || (ip != nil && !ip.IsLoopback())) {
			errs = append(errs, fmt.Errorf("%s is %q: %w", at.flag, at.address, signer.ErrNotLoopback))
		}
	}
	if !served {
		errs = append(errs, errors.New("at least one of --sign-bind-address, --envoy-bind-address, --ext-authz-bind-address and --verify-bind-address must not be 0"))
	}
	return errs
}
