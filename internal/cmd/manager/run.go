package manager

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/controllers/signaturebinding"
	"github.com/signet-dev/signet/controllers/signaturekey"
	"github.com/signet-dev/signet/internal/admission"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/webhookcert"
)

const (
	webhookService       = "signet-webhook"
	webhookCASecret      = "signet-webhook-ca"
	webhookConfiguration = "signet"

	cacheCheckTimeout = time.Second
)

// Run runs a manager until the context ends.
func Run(ctx context.Context, options Options) error {
	if err := options.Validate(); err != nil {
		return err
	}
	logger := options.Logger()
	ctrl.SetLogger(logger)
	klog.SetLogger(logger.WithName("client-go"))
	config, err := kubeclient.DaemonConfig(options.Kubeconfig, "signet-manager")
	if err != nil {
		return err
	}
	if err := kubeclient.CheckAccess(ctx, config, options.permissions()); err != nil {
		return err
	}
	mgr, err := New(config, options)
	if err != nil {
		return err
	}
	return start(ctx, mgr)
}

// start runs the manager until the context ends. While caches are waited for,
// which may be for ever, controller-runtime does not look at the context:
// nothing has begun then that would have to be ended in order.
func start(ctx context.Context, mgr ctrl.Manager) error {
	var begun atomic.Bool
	err := mgr.Add(everywhere(func(context.Context) error {
		begun.Store(true)
		return nil
	}))
	if err != nil {
		return fmt.Errorf("add to the manager: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		if !begun.Load() {
			return nil
		}
		err = <-ended
	}
	if err != nil {
		return fmt.Errorf("run the manager: %w", err)
	}
	return nil
}

// everywhere is a runnable that starts on every replica when the caches are
// filled.
type everywhere func(context.Context) error

// Start implements manager.Runnable.
func (e everywhere) Start(ctx context.Context) error { return e(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everywhere) NeedLeaderElection() bool { return false }

// Scheme knows the kinds that the manager works with.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("make the scheme: %w", err)
	}
	return scheme, nil
}

// New puts a manager together.
func New(config *rest.Config, options Options) (ctrl.Manager, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	caches, err := CacheOptions(options.Namespaces)
	if err != nil {
		return nil, err
	}
	lock, err := newLease(config, options.OwnNamespace, options.LeaseDuration)
	if err != nil {
		return nil, err
	}
	keeper, err := newRotator(config, scheme, options)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                              scheme,
		Cache:                               caches,
		Metrics:                             metricsserver.Options{BindAddress: options.MetricsBindAddress},
		HealthProbeBindAddress:              options.HealthProbeBindAddress,
		WebhookServer:                       webhookServer(options, keeper),
		LeaderElection:                      options.LeaderElect,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionID:                    leaseName, // in the metric; the lock knows its own
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &options.LeaseDuration,
		RenewDeadline:                       &options.RenewDeadline,
		RetryPeriod:                         &options.RetryPeriod,
		GracefulShutdownTimeout:             &options.GracefulShutdown,
	})
	if err != nil {
		return nil, fmt.Errorf("make the manager: %w", err)
	}
	leading := lock.Leading
	if !options.LeaderElect {
		leading = func() bool { return true }
	}
	if err := addControllers(mgr, options, leading); err != nil {
		return nil, err
	}
	if err := RegisterStateCollector(mgr.GetClient(), clock.RealClock{}); err != nil {
		return nil, err
	}
	webhooks := admission.Options{PublicKeyEnabled: options.PublicKeyEnable, RejectTakenSlots: options.RejectTakenSlots}
	if err := admission.Setup(mgr, webhooks); err != nil {
		return nil, err
	}
	return mgr, addChecks(mgr, keeper)
}

// newRotator returns nil when the certificates come from files.
func newRotator(config *rest.Config, scheme *runtime.Scheme, options Options) (*webhookcert.Rotator, error) {
	if options.WebhookCertDir != "" {
		return nil, nil
	}
	uncached, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client for the webhook's certificates: %w", err)
	}
	service := webhookService + "." + options.OwnNamespace
	hosts := append([]string{service + ".svc", service + ".svc.cluster.local", service}, options.WebhookNames...)
	return webhookcert.New(uncached, webhookcert.Options{
		Namespace: options.OwnNamespace, SecretName: webhookCASecret, WebhookConfiguration: webhookConfiguration,
		Hosts: hosts, Clock: clock.RealClock{},
	}), nil
}

func webhookServer(options Options, keeper *webhookcert.Rotator) webhook.Server {
	host, port, _ := splitAddress(options.WebhookBindAddress) // validated
	serverOptions := webhook.Options{Host: host, Port: port, CertDir: options.WebhookCertDir}
	if keeper != nil {
		serverOptions.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.GetCertificate = keeper.GetCertificate }}
	}
	return webhook.NewServer(serverOptions)
}

func addControllers(mgr ctrl.Manager, options Options, leading func() bool) error {
	if err := index.Setup(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	observer, err := gatewayapi.New(mgr.GetConfig(), gatewayapi.Options{
		Namespaces: options.Namespaces, GatewayNamespaces: options.GatewayNamespaces,
		DiscoveryInterval: options.RoutesInterval, Logger: mgr.GetLogger().WithName("gateway-observer"),
	})
	if err != nil {
		return err
	}
	if err := mgr.Add(observer); err != nil {
		return fmt.Errorf("add the observer of routes: %w", err)
	}
	book := slots.NewClaimCache()
	bindings := &signaturebinding.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Claims: book, Routes: observer,
		Leading: leading, Namespaces: options.Namespaces, Clock: clock.RealClock{},
	}
	if err := bindings.SetupWithManager(mgr, options.Concurrency); err != nil {
		return err
	}
	keys := &signaturekey.Reconciler{Holds: book, Clock: clock.RealClock{}, Rand: rand.Reader}
	return keys.SetupWithManager(mgr, signaturekey.Options{
		PublicKeyEnabled: options.PublicKeyEnable, ClusterWide: len(options.Namespaces) == 0, Concurrency: options.Concurrency,
	})
}

// addChecks makes a replica ready when it can answer admission: caches filled,
// certificates in place, the webhook server listening.
func addChecks(mgr ctrl.Manager, keeper *webhookcert.Rotator) error {
	caches := func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), cacheCheckTimeout)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("the caches are not filled yet")
		}
		return nil
	}
	checks := map[string]healthz.Checker{"caches": caches, "webhook": mgr.GetWebhookServer().StartedChecker()}
	if keeper != nil {
		if err := mgr.Add(keeper); err != nil {
			return fmt.Errorf("add the keeper of certificates: %w", err)
		}
		checks["certificates"] = keeper.Check
	}
	for name, check := range checks {
		if err := mgr.AddReadyzCheck(name, check); err != nil {
			return fmt.Errorf("add the readiness check %s: %w", name, err)
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add the health check: %w", err)
	}
	return nil
}
