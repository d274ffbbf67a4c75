// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/signet-dev/signet/controllers/servednamespace"
	"github.com/signet-dev/signet/controllers/signaturebinding"
	"github.com/signet-dev/signet/controllers/signaturekey"
	"github.com/signet-dev/signet/internal/cmd/manager"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/term"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const concurrency = 4

// ManagerOptions configure how a manager differs from one that runs the controller of
// keys as it is shipped.
type ManagerOptions struct {
	// Namespaces to work in; none: all.
	Namespaces []string
	// PublicKeyEnabled opens the gate of the type PublicKey.
	PublicKeyEnabled bool
	// Clock of the controllers; nil: the real one.
	Clock clock.PassiveClock
	// Fault may fail a request before it is sent.
	Fault func(*http.Request) error
	// Transport wraps the connection to the API server.
	Transport func(http.RoundTripper) http.RoundTripper
	// Bindings adds the controller of bindings.
	Bindings bool
	// Routes answers for the routes that bindings list; nil with Bindings: the
	// objects of the Gateway API do.
	Routes signaturebinding.Routes
}

// Manager is a manager at work, in the process of the test and under the role
// that config/ grants.
type Manager struct {
	Keys *signaturekey.Reconciler
	// Bindings is nil without ManagerOptions.Bindings.
	Bindings *signaturebinding.Reconciler
	Requests *RequestLog
	stop     func()
}

// Stop ends the manager and waits until it has ended.
func (m *Manager) Stop() { m.stop() }

// StartManager starts a manager that ends with the spec, if not earlier.
func (c *Cluster) StartManager(options ManagerOptions) *Manager {
	GinkgoHelper()
	running := &Manager{Requests: &RequestLog{fault: options.Fault}}
	mgr := c.newManager(options, running.Requests)
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	written := kubeclient.NewWritten()
	served, err := manager.ServedNamespaces(context.Background(), mgr)
	Expect(err).NotTo(HaveOccurred())
	shared := &term.Term{Cache: mgr.GetClient(), Live: mgr.GetAPIReader(), Claims: slots.NewClaimCache()}
	shared.Follow(served)
	running.Keys = &signaturekey.Reconciler{Client: mgr.GetClient(), Term: shared, Written: written, Clock: options.Clock, Rand: rand.Reader}
	Expect(running.Keys.SetupWithManager(mgr, signaturekey.Options{
		PublicKeyEnabled: options.PublicKeyEnabled, ClusterWide: len(options.Namespaces) == 0, Concurrency: concurrency,
	})).To(Succeed())
	if options.Bindings {
		running.Bindings = &signaturebinding.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Term: shared, Written: written,
			Routes: routes(mgr, options), Clock: options.Clock,
		}
		if served != nil {
			members := &servednamespace.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Served: served}
			Expect(members.SetupWithManager(mgr)).To(Succeed())
			shared.Join = members.Join
		}
		Expect(running.Bindings.SetupWithManager(mgr, concurrency)).To(Succeed())
	}
	running.run(mgr)
	if served == nil {
		_, _, err := shared.Begin(context.Background(), metav1.NamespaceAll)
		Expect(err).NotTo(HaveOccurred())
	}
	return running
}

func (c *Cluster) newManager(options ManagerOptions, requests *RequestLog) ctrl.Manager {
	GinkgoHelper()
	config, err := c.ServiceAccountConfig(context.Background(), SystemNamespace, ManagerAccount)
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	if options.Transport != nil {
		config.Wrap(options.Transport)
	}
	config.Wrap(requests.wrap)
	caches, err := manager.CacheOptions()
	Expect(err).NotTo(HaveOccurred())
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:   c.Scheme,
		Cache:    caches,
		NewCache: manager.NewCache(options.Namespaces),
		Metrics:  metricsserver.Options{BindAddress: "0"},
		Logger:   ctrl.Log,
		// One process has many managers, and their metrics have the same names.
		Controller: ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(index.Setup(context.Background(), mgr.GetFieldIndexer())).To(Succeed())
	return mgr
}

// routes returns what answers for routes, which is part of the manager if the
// options have none.
func routes(mgr ctrl.Manager, options ManagerOptions) signaturebinding.Routes {
	GinkgoHelper()
	if options.Routes != nil {
		return options.Routes
	}
	observer, err := gatewayapi.New(mgr.GetConfig(), gatewayapi.Options{})
	Expect(err).NotTo(HaveOccurred())
	Expect(mgr.Add(observer)).To(Succeed())
	return observer
}

func (m *Manager) run(mgr ctrl.Manager) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		Eventually(ended).WithTimeout(proc.Soon).Should(Receive(Succeed()))
	})
	DeferCleanup(m.stop)
	Expect(mgr.GetCache().WaitForCacheSync(ctx)).To(BeTrue())
}
