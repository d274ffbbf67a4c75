// SPDX-License-Identifier: Apache-2.0

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
	WebhookConfiguration   string
	MetricsBindAddress     string
	HealthProbeBindAddress string
	ShutdownDelay          time.Duration
	GracefulShutdown       time.Duration

	logging.Options

	// RoutesInterval is the interval between checks of which kinds of the Gateway
	// API the cluster serves; zero for the default.
	RoutesInterval time.Duration
}

// DefaultOptions returns the options of a manager without flags.
func DefaultOptions() Options {
	return Options{
		OwnNamespace: ownNamespace(), Concurrency: 8,
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		WebhookBindAddress: ":9443", WebhookConfiguration: "signet", MetricsBindAddress: "127.0.0.1:8080", HealthProbeBindAddress: ":8081",
		ShutdownDelay: 5 * time.Second, GracefulShutdown: 20 * time.Second,
		Options: logging.DefaultOptions(),
	}
}

// ownNamespace returns the namespace that the manager runs in: that of its
// ServiceAccount.
func ownNamespace() string {
	if name, err := os.ReadFile(serviceAccountNamespace); err == nil && len(name) > 0 {
		return strings.TrimSpace(string(name))
	}
	return defaultNamespace
}

// Bind adds the flags to a set, with the options as defaults.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig `file` (default: KUBECONFIG, else the Pod's ServiceAccount)")
	flags.StringSliceVar(&o.Namespaces, "namespaces", o.Namespaces, "`namespaces` of keys and bindings, each with a RoleBinding, and each served alone (default: all, which needs a ClusterRoleBinding)")
	flags.StringSliceVar(&o.GatewayNamespaces, "gateway-namespaces", o.GatewayNamespaces, "additional `namespaces` in which Gateways and ListenerSets are read; requires --namespaces")
	flags.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "`number` of keys, and of bindings, that are reconciled concurrently")
	flags.BoolVar(&o.PublicKeyEnable, "public-key-enable", o.PublicKeyEnable, "creation of keys of type PublicKey; existing ones sign without it")
	flags.BoolVar(&o.RejectTakenSlots, "reject-taken-slots", o.RejectTakenSlots, "refusal, instead of a warning, of bindings that list an API which another binding visibly holds")
	flags.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "leader election among replicas; required for more than one")
	flags.StringVar(&o.OwnNamespace, "leader-elect-namespace", o.OwnNamespace, "`namespace` of the lease and of the webhooks' CA Secret")
	flags.DurationVar(&o.LeaseDuration, "leader-elect-lease-duration", o.LeaseDuration, "time that replicas wait for a leader that has vanished")
	flags.DurationVar(&o.RenewDeadline, "leader-elect-renew-deadline", o.RenewDeadline, "time that a leader tries to renew its lease before it gives up; shorter than the lease")
	flags.DurationVar(&o.RetryPeriod, "leader-elect-retry-period", o.RetryPeriod, "interval at which replicas renew the lease or try to acquire it")
	flags.StringVar(&o.WebhookBindAddress, "webhook-bind-address", o.WebhookBindAddress, "`address` to serve the webhooks on, with TLS")
	flags.StringSliceVar(&o.WebhookNames, "webhook-names", o.WebhookNames, "additional DNS `names` and IP addresses in the webhooks' serving certificate")
	flags.StringVar(&o.WebhookCertDir, "webhook-cert-dir", o.WebhookCertDir, "`folder` with tls.crt and tls.key for the webhooks (default: Signet creates certificates and maintains the CA bundle)")
	flags.StringVar(&o.WebhookConfiguration, "webhook-configuration", o.WebhookConfiguration, "`name` of the ValidatingWebhookConfiguration whose CA bundle this manager maintains; one of its own for each of several managers on a cluster")
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "`address` to serve metrics on, without TLS (0 disables)")
	flags.StringVar(&o.HealthProbeBindAddress, "health-probe-bind-address", o.HealthProbeBindAddress, "`address` to serve /healthz and /readyz on (0 disables)")
	flags.DurationVar(&o.ShutdownDelay, "shutdown-delay", o.ShutdownDelay, "time after SIGTERM in which the manager is not ready but still works, until API servers send admission requests to others")
	flags.DurationVar(&o.GracefulShutdown, "graceful-shutdown-timeout", o.GracefulShutdown, "time that work in progress may take after --shutdown-delay")
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
	refuse(len(o.Namespaces) == 0 && len(o.GatewayNamespaces) > 0, "--gateway-namespaces requires --namespaces: without it, all namespaces are read")
	refuse(slices.Contains(o.Namespaces, "") || slices.Contains(o.GatewayNamespaces, ""), "--namespaces and --gateway-namespaces must be comma-separated names, none of them empty")
	refuse(o.Concurrency < 1, "--concurrency is %d, but must be at least 1", o.Concurrency)
	refuse(o.RetryPeriod <= 0 || o.RenewDeadline <= o.RetryPeriod || o.LeaseDuration <= o.RenewDeadline,
		"--leader-elect-retry-period (%s), --leader-elect-renew-deadline (%s) and --leader-elect-lease-duration (%s) must be positive, and each longer than the one before",
		o.RetryPeriod, o.RenewDeadline, o.LeaseDuration)
	refuse(o.ShutdownDelay < 0, "--shutdown-delay is %s, but must not be negative", o.ShutdownDelay)
	refuse(o.GracefulShutdown < 0, "--graceful-shutdown-timeout is %s, but must not be negative", o.GracefulShutdown)
	refuse(o.WebhookConfiguration == "", "--webhook-configuration must be a name")
	if err := o.Options.Validate(); err != nil {
		errs = append(errs, err)
	}
	if err := validateAddress(o.WebhookBindAddress); err != nil {
		errs = append(errs, fmt.Errorf("--webhook-bind-address: %w", err))
	}
	return errors.Join(errs...)
}

func validateAddress(address string) error {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address: use host:port or :port", address)
	}
	if port, err := strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("%q must have a port from 1 to 65535", address)
	}
	return nil
}
