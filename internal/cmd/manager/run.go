// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"crypto/rand"
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
	"github.com/signet-dev/signet/controllers/servednamespace"
	"github.com/signet-dev/signet/controllers/signaturebinding"
	"github.com/signet-dev/signet/controllers/signaturekey"
	"github.com/signet-dev/signet/internal/admission"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/namespaces"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/term"
	"github.com/signet-dev/signet/internal/webhookcert"
	"github.com/signet-dev/signet/internal/webhookserver"
)

const (
	webhookService  = "signet-webhook"
	webhookCASecret = "signet-webhook-ca"

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
	mgr, webhooks, err := New(ctx, config, options)
	if err != nil {
		return err
	}
	return start(ctx, mgr, webhooks, options.ShutdownDelay)
}

// start runs the manager until the context ends, and then goes on for the delay, until
// API servers send admission requests to others. While controller-runtime waits for its
// caches, which may take forever, it ignores the context; at that time nothing has
// started that would need an orderly shutdown.
func start(ctx context.Context, mgr ctrl.Manager, webhooks *webhookserver.Server, delay time.Duration) error {
	var started atomic.Bool
	err := mgr.Add(onEveryReplica(func(context.Context) error {
		started.Store(true)
		return nil
	}))
	if err != nil {
		return fmt.Errorf("add start hook: %w", err)
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- mgr.Start(working) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		if !started.Load() {
			return nil
		}
		mgr.GetLogger().Info("Shutting down", "delay", delay.String())
		webhooks.Drain()
		select {
		case err = <-done:
		case <-time.After(delay):
			stop()
			err = <-done
		}
	}
	if err != nil {
		return fmt.Errorf("run manager: %w", err)
	}
	return nil
}

// onEveryReplica is a runnable that starts on every replica, leader or not, when
// the caches are filled.
type onEveryReplica func(context.Context) error

// Start implements manager.Runnable.
func (f onEveryReplica) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (onEveryReplica) NeedLeaderElection() bool { return false }

// Scheme returns a scheme with the kinds that the manager works with.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register API types: %w", err)
	}
	return scheme, nil
}

// New creates a manager that is ready to start, and returns its webhook server as well.
func New(ctx context.Context, config *rest.Config, options Options) (ctrl.Manager, *webhookserver.Server, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, nil, err
	}
	rotator, err := newRotator(config, scheme, options)
	if err != nil {
		return nil, nil, err
	}
	server := newWebhookServer(options, rotator)
	mgr, err := newManager(ctx, config, scheme, server, options)
	if err != nil {
		return nil, nil, err
	}
	return mgr, server, addChecks(mgr, rotator)
}

func newManager(ctx context.Context, config *rest.Config, scheme *runtime.Scheme, server webhook.Server, options Options) (ctrl.Manager, error) {
	caches, err := CacheOptions()
	if err != nil {
		return nil, err
	}
	lock, err := newLease(config, options.OwnNamespace, options.LeaseDuration)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                              scheme,
		Cache:                               caches,
		NewCache:                            NewCache(options.Namespaces),
		Metrics:                             metricsserver.Options{BindAddress: options.MetricsBindAddress},
		HealthProbeBindAddress:              options.HealthProbeBindAddress,
		WebhookServer:                       server,
		LeaderElection:                      options.LeaderElect,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionID:                    leaseName, // for the metric; the lock has its own
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &options.LeaseDuration,
		RenewDeadline:                       &options.RenewDeadline,
		RetryPeriod:                         &options.RetryPeriod,
		GracefulShutdownTimeout:             &options.GracefulShutdown,
	})
	if err != nil {
		return nil, fmt.Errorf("create manager: %w", err)
	}
	served, err := ServedNamespaces(ctx, mgr)
	if err != nil {
		return nil, err
	}
	shared := &term.Term{Cache: mgr.GetClient(), Live: mgr.GetAPIReader(), Claims: slots.NewClaimCache()}
	shared.Follow(served)
	synced, err := shared.Watch(ctx, mgr.GetCache())
	if err != nil {
		return nil, err
	}
	if err := addControllers(ctx, mgr, options, lock.Leading, shared); err != nil {
		return nil, err
	}
	if err := mgr.Add(shared); err != nil {
		return nil, fmt.Errorf("add the start of the term: %w", err)
	}
	if err := addMetrics(mgr, options, served); err != nil {
		return nil, err
	}
	webhooks := admission.Options{
		PublicKeyEnabled: options.PublicKeyEnable, RejectTakenSlots: options.RejectTakenSlots, Served: served,
		Claims: admission.Claims{ClaimCache: shared.Claims, Synced: synced},
	}
	if err := admission.Setup(mgr, webhooks); err != nil { //nolint:contextcheck // each request has a context of its own
		return nil, err
	}
	return mgr, nil
}

// newRotator returns nil if the certificates come from files.
func newRotator(config *rest.Config, scheme *runtime.Scheme, options Options) (*webhookcert.Rotator, error) {
	if options.WebhookCertDir != "" {
		return nil, nil //nolint:nilnil // no rotator is needed
	}
	uncached, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("create client for the webhooks' certificates: %w", err)
	}
	service := webhookService + "." + options.OwnNamespace
	hosts := append([]string{service + ".svc", service + ".svc.cluster.local", service}, options.WebhookNames...)
	return webhookcert.New(uncached, webhookcert.Options{
		Namespace: options.OwnNamespace, SecretName: webhookCASecret, WebhookConfiguration: options.WebhookConfiguration,
		Hosts: hosts, Clock: clock.RealClock{},
	}), nil
}

func newWebhookServer(options Options, rotator *webhookcert.Rotator) *webhookserver.Server {
	serverOptions := webhookserver.Options{Address: options.WebhookBindAddress, CertDir: options.WebhookCertDir}
	if rotator != nil {
		serverOptions.GetCertificate = rotator.GetCertificate
	}
	return webhookserver.New(serverOptions)
}

func addControllers(ctx context.Context, mgr ctrl.Manager, options Options, leading func() bool, shared *term.Term) error {
	if err := index.Setup(ctx, mgr.GetFieldIndexer()); err != nil {
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
		return fmt.Errorf("add gateway observer: %w", err)
	}
	if !options.LeaderElect {
		leading = func() bool { return true }
	}
	writer, written := kubeclient.WhileLeading(mgr.GetClient(), leading), kubeclient.NewWritten()
	if shared.Join, err = addRoleBindings(ctx, mgr, writer, shared.Served); err != nil {
		return err
	}
	bindings := &signaturebinding.Reconciler{
		Client: writer, Live: mgr.GetAPIReader(), Term: shared, Written: written, Routes: observer, Clock: clock.RealClock{},
	}
	if err := bindings.SetupWithManager(mgr, options.Concurrency); err != nil {
		return err
	}
	keys := &signaturekey.Reconciler{Client: writer, Term: shared, Written: written, Clock: clock.RealClock{}, Rand: rand.Reader}
	return keys.SetupWithManager(mgr, signaturekey.Options{
		PublicKeyEnabled: options.PublicKeyEnable, ClusterWide: len(options.Namespaces) == 0, Concurrency: options.Concurrency,
	})
}

// addRoleBindings adds the controller of the RoleBindings of --namespaces, and returns
// what lets Signet join a namespace. A manager that works in all namespaces may lack the
// permission: it only cleans up what a manager with --namespaces has left.
func addRoleBindings(ctx context.Context, mgr ctrl.Manager, writer client.Client, served *namespaces.Cache) (func(context.Context, string) error, error) {
	if served == nil {
		if err := kubeclient.CheckAccess(ctx, mgr.GetConfig(), namespaces.RoleBindingPermissions()); err != nil {
			mgr.GetLogger().Info("Leaving RoleBindings alone", "reason", err.Error())
			return nil, nil //nolint:nilnil // only used with --namespaces
		}
	}
	members := &servednamespace.Reconciler{Client: writer, Live: mgr.GetAPIReader(), Served: served}
	return members.Join, members.SetupWithManager(mgr)
}

// addChecks makes a replica ready when it can answer admission: caches filled,
// certificates in place, the webhook server listening.
func addChecks(mgr ctrl.Manager, rotator *webhookcert.Rotator) error {
	caches := func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), cacheCheckTimeout)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("caches are not synced yet")
		}
		return nil
	}
	checks := map[string]healthz.Checker{"caches": caches, "webhook": mgr.GetWebhookServer().StartedChecker()}
	if rotator != nil {
		if err := mgr.Add(rotator); err != nil {
			return fmt.Errorf("add certificate rotator: %w", err)
		}
		checks["certificates"] = rotator.Check
	}
	for name, check := range checks {
		if err := mgr.AddReadyzCheck(name, check); err != nil {
			return fmt.Errorf("add readiness check %s: %w", name, err)
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add health check: %w", err)
	}
	return nil
}
