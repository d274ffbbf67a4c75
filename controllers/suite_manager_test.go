package controllers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/signet-dev/signet/controllers/signaturekey"
	"github.com/signet-dev/signet/internal/cmd/manager"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/slots"
)

// logs is what all managers have logged.
var logs = &transcript{}

type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// managerOptions say how a spec's manager differs from the one that is shipped.
type managerOptions struct {
	// Namespaces to work in; none: all.
	Namespaces []string
	// PublicKeyEnabled opens the gate.
	PublicKeyEnabled bool
	// Clock of the controllers; left out: the real one.
	Clock clock.PassiveClock
	// Fault may answer a request in the API server's place.
	Fault func(*http.Request) error
	// Transport comes between the manager and the API server.
	Transport func(http.RoundTripper) http.RoundTripper
	// Add adds further controllers.
	Add func(ctrl.Manager, *slots.ClaimCache) error
}

// runningManager is a manager that runs under the shipped role.
type runningManager struct {
	Keys     *signaturekey.Reconciler
	Requests *requestLog
	stop     func()
}

// Stop ends the manager and waits until it has come to an end.
func (m *runningManager) Stop() { m.stop() }

// startManager starts a manager that ends with the spec, if not earlier.
func startManager(options managerOptions) *runningManager {
	GinkgoHelper()
	config, err := plane.ServiceAccountConfig(context.Background(), managerNamespace, managerName)
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	requests := &requestLog{fault: options.Fault}
	if options.Transport != nil {
		config.Wrap(options.Transport)
	}
	config.Wrap(requests.wrap)
	caches, err := manager.CacheOptions(options.Namespaces)
	Expect(err).NotTo(HaveOccurred())
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Cache:   caches,
		Metrics: metricsserver.Options{BindAddress: "0"},
		Logger:  ctrl.Log,
		// Metrics of the same name are made once for each manager.
		Controller: ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(index.Setup(context.Background(), mgr.GetFieldIndexer())).To(Succeed())

	book := slots.NewClaimCache()
	keys := &signaturekey.Reconciler{Holds: book, Clock: options.Clock, Rand: rand.Reader}
	if keys.Clock == nil {
		keys.Clock = clock.RealClock{}
	}
	Expect(keys.SetupWithManager(mgr, signaturekey.Options{
		PublicKeyEnabled: options.PublicKeyEnabled, ClusterWide: len(options.Namespaces) == 0, Concurrency: 4,
	})).To(Succeed())
	if options.Add != nil {
		Expect(options.Add(mgr, book)).To(Succeed())
	}
	return run(mgr, &runningManager{Keys: keys, Requests: requests})
}

func run(mgr ctrl.Manager, running *runningManager) *runningManager {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	running.stop = sync.OnceFunc(func() {
		cancel()
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(Succeed()))
	})
	DeferCleanup(running.stop)
	Expect(mgr.GetCache().WaitForCacheSync(ctx)).To(BeTrue())
	return running
}

// requestLog is what a manager has asked of the API server.
type requestLog struct {
	fault func(*http.Request) error

	mu       sync.Mutex
	requests []string
}

var errCut = errors.New("the manager has been cut off")

func (l *requestLog) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if l.fault != nil {
			if err := l.fault(request); err != nil {
				return nil, err
			}
		}
		response, err := next.RoundTrip(request)
		// What the API server refuses as outdated has changed nothing.
		outdated := err == nil && response.StatusCode == http.StatusConflict
		if request.URL.Query().Get("watch") == "" && !outdated {
			l.mu.Lock()
			l.requests = append(l.requests, request.Method+" "+request.URL.Path)
			l.mu.Unlock()
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// Of are the requests about a namespace, Events aside.
func (l *requestLog) Of(namespace string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, request := range l.requests {
		if strings.Contains(request, "/namespaces/"+namespace) && !strings.Contains(request, "/events") {
			found = append(found, request)
		}
	}
	return found
}

// Writes are the requests about a namespace that change something.
func (l *requestLog) Writes(namespace string) []string {
	var writes []string
	for _, request := range l.Of(namespace) {
		if !strings.HasPrefix(request, http.MethodGet) {
			writes = append(writes, strings.Replace(request, "/namespaces/"+namespace, "", 1))
		}
	}
	return writes
}
