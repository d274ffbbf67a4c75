// Package manager puts Signet's manager together: flags, caches, leader
// election, controllers, webhooks, certificates and health.
package manager

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/signet-dev/signet/internal/logging"
)

const (
	serviceAccountNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	defaultNamespace        = "signet-system"
)

// Options are the manager's flags.
type Options struct {
	Kubeconfig        string
	Namespaces        []string
	GatewayNamespaces []string
	OwnNamespace      string
	Concurrency       int

	PublicKeyEnable  bool
	RejectTakenSlots bool

	LeaderElect   bool
	LeaseDuration time.Duration
	RenewDeadline time.Duration
	RetryPeriod   time.Duration

	WebhookBindAddress     string
	WebhookNames           []string
	WebhookCertDir         string
	MetricsBindAddress     string
	HealthProbeBindAddress string
	GracefulShutdown       time.Duration

	logging.Options

	// RoutesInterval is how often it is looked which kinds of the Gateway API
	// the cluster serves; zero for the default.
	RoutesInterval time.Duration
}

// DefaultOptions are those of a manager that was given no flags.
func DefaultOptions() Options {
	return Options{
		OwnNamespace: ownNamespace(), Concurrency: 8,
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		WebhookBindAddress: ":9443", MetricsBindAddress: "127.0.0.1:8080", HealthProbeBindAddress: ":8081",
		GracefulShutdown: 20 * time.Second,
		Options:          logging.DefaultOptions(),
	}
}

// ownNamespace is where the manager runs: its ServiceAccount's namespace.
func ownNamespace() string {
	if name, err := os.ReadFile(serviceAccountNamespace); err == nil && len(name) > 0 {
		return strings.TrimSpace(string(name))
	}
	return defaultNamespace
}

// Bind adds the flags to a set, with the options as defaults.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "`file` with the API server's address and credentials; empty: KUBECONFIG, else the Pod's ServiceAccount")
	flags.StringSliceVar(&o.Namespaces, "namespaces", o.Namespaces, "work in these `namespaces` alone, under Roles; empty: in all, under a ClusterRole")
	flags.StringSliceVar(&o.GatewayNamespaces, "gateway-namespaces", o.GatewayNamespaces, "with --namespaces: further `namespaces` in which Gateways and ListenerSets are read")
	flags.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "`number` of keys, and of bindings, that are reconciled at a time")
	flags.BoolVar(&o.PublicKeyEnable, "public-key-enable", o.PublicKeyEnable, "let keys of type PublicKey be created; existing ones go on signing without it")
	flags.BoolVar(&o.RejectTakenSlots, "reject-taken-slots", o.RejectTakenSlots, "refuse bindings that list an API which another binding visibly holds, instead of a warning")
	flags.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "elect a leader among replicas; needed for more than one")
	flags.StringVar(&o.OwnNamespace, "leader-elect-namespace", o.OwnNamespace, "`namespace` of the lease and of the webhook's CA Secret")
	flags.DurationVar(&o.LeaseDuration, "leader-elect-lease-duration", o.LeaseDuration, "how long a leader that has vanished is waited for")
	flags.DurationVar(&o.RenewDeadline, "leader-elect-renew-deadline", o.RenewDeadline, "how long a leader tries to renew its lease before it gives up; shorter than the lease")
	flags.DurationVar(&o.RetryPeriod, "leader-elect-retry-period", o.RetryPeriod, "how often the lease is renewed or tried for")
	flags.StringVar(&o.WebhookBindAddress, "webhook-bind-address", o.WebhookBindAddress, "`address` that the webhooks listen on, with TLS")
	flags.StringSliceVar(&o.WebhookNames, "webhook-names", o.WebhookNames, "further DNS `names` and IP addresses in the webhooks' serving certificate")
	flags.StringVar(&o.WebhookCertDir, "webhook-cert-dir", o.WebhookCertDir, "`folder` with tls.crt and tls.key to serve the webhooks with; empty: Signet makes its own certificates and keeps the CA bundle")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "`address` of the metrics, without TLS; 0: none")
	flags.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", o.HealthProbeBindAddress, "`address` of /healthz and /readyz; 0: none")
	flags.DurationVar(&o.GracefulShutdown, "graceful-shutdown-timeout", o.GracefulShutdown, "how long work under way may take after SIGTERM")
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
	refuse(len(o.Namespaces) == 0 && len(o.GatewayNamespaces) > 0, "--gateway-namespaces goes with --namespaces: without it all namespaces are read")
	refuse(slices.Contains(o.Namespaces, "") || slices.Contains(o.GatewayNamespaces, ""), "--namespaces and --gateway-namespaces take names, separated by commas, none of them empty")
	refuse(o.Concurrency < 1, "--concurrency is %d and must be at least 1", o.Concurrency)
	refuse(o.RetryPeriod <= 0 || o.RenewDeadline <= o.RetryPeriod || o.LeaseDuration <= o.RenewDeadline,
		"--leader-elect-retry-period (%s), --leader-elect-renew-deadline (%s) and --leader-elect-lease-duration (%s) must be positive and each longer than the one before",
		o.RetryPeriod, o.RenewDeadline, o.LeaseDuration)
	if err := o.Options.Validate(); err != nil {
		errs = append(errs, err)
	}
	if _, _, err := splitAddress(o.WebhookBindAddress); err != nil {
		errs = append(errs, fmt.Errorf("--webhook-bind-address: %w", err))
	}
	return errors.Join(errs...)
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no address: give host:port or :port", address)
	}
	if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 1 to 65535", address)
	}
	return host, port, nil
}
