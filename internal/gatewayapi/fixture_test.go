// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
)

const (
	soon = 30 * time.Second
	poll = 50 * time.Millisecond
	// removalTimeout limits the removal of a CRD: the API server takes up to a minute
	// to confirm that no objects are left.
	removalTimeout = 2 * time.Minute
)

// testServer is a separate API server, because the tests of the observer install and
// remove the kinds of the Gateway API.
type testServer struct {
	env    *envtest.Environment
	config *rest.Config
	client client.Client
	crds   string
}

func startServer(t *testing.T) *testServer {
	t.Helper()
	g := NewWithT(t)
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	g.Expect(err).NotTo(HaveOccurred())
	assets, err := controlplane.Assets(context.Background(), os.Stderr)
	g.Expect(err).NotTo(HaveOccurred())
	env := &envtest.Environment{BinaryAssetsDirectory: assets}
	config, err := env.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(env.Stop()).To(Succeed()) })
	config.QPS = -1
	types := runtime.NewScheme()
	g.Expect(errors.Join(clientgoscheme.AddToScheme(types), gwapiv1.Install(types))).To(Succeed())
	cli, err := client.New(config, client.Options{Scheme: types})
	g.Expect(err).NotTo(HaveOccurred())
	return &testServer{
		env: env, config: config, client: cli,
		crds: filepath.Join(strings.TrimSpace(string(module)), "config", "crd", "standard"),
	}
}

func (s *testServer) crdOptions(resources []string) envtest.CRDInstallOptions {
	options := envtest.CRDInstallOptions{MaxTime: soon, PollInterval: poll, ErrorIfPathMissing: true}
	for _, resource := range resources {
		options.Paths = append(options.Paths, filepath.Join(s.crds, "gateway.networking.k8s.io_"+resource+".yaml"))
	}
	return options
}

// install installs the CRDs of these resources until the test ends.
func (s *testServer) install(t *testing.T, resources ...string) {
	t.Helper()
	t.Cleanup(func() {
		// Remove the objects first: if the API server has to delete them with their CRD
		// and is slow, it retries with a back-off.
		for _, resource := range resources {
			s.removeObjects(t, resource)
		}
		s.remove(t, resources...)
	})
	_, err := envtest.InstallCRDs(s.config, s.crdOptions(resources))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// remove removes CRDs, with all objects, and waits until they are gone.
func (s *testServer) remove(t *testing.T, resources ...string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(envtest.UninstallCRDs(s.config, s.crdOptions(resources))).To(Succeed())
	for _, resource := range resources {
		crd := &metav1.PartialObjectMetadata{}
		crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		g.Eventually(func() error {
			return s.client.Get(context.Background(), client.ObjectKey{Name: resource + "." + gwapiv1.GroupName}, crd)
		}, removalTimeout, poll).Should(MatchError(apierrors.IsNotFound, "NotFound"))
	}
}

func (s *testServer) removeObjects(t *testing.T, resource string) {
	t.Helper()
	g := NewWithT(t)
	kind, err := s.client.RESTMapper().KindFor(schema.GroupVersionResource{Group: gwapiv1.GroupName, Resource: resource})
	if meta.IsNoMatchError(err) {
		return // the test has removed it
	}
	g.Expect(err).NotTo(HaveOccurred())
	objects := &metav1.PartialObjectMetadataList{}
	objects.SetGroupVersionKind(kind)
	if err := s.client.List(context.Background(), objects); !apierrors.IsNotFound(err) {
		g.Expect(err).NotTo(HaveOccurred())
	}
	for i := range objects.Items {
		g.Expect(client.IgnoreNotFound(s.client.Delete(context.Background(), &objects.Items[i]))).To(Succeed())
	}
}

// create creates objects. An object that exists already is no error.
func (s *testServer) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		err := s.client.Create(context.Background(), object)
		NewWithT(t).Expect(client.IgnoreAlreadyExists(err)).To(Succeed())
	}
}

func (s *testServer) delete(t *testing.T, object client.Object) {
	t.Helper()
	NewWithT(t).Expect(s.client.Delete(context.Background(), object)).To(Succeed())
}

// change applies a change to the current object.
func (s *testServer) change(t *testing.T, object client.Object, change func()) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(s.client.Get(context.Background(), client.ObjectKeyFromObject(object), object)).To(Succeed())
	change()
	g.Expect(s.client.Update(context.Background(), object)).To(Succeed())
}

// accept writes the status of a route as the controller of a gateway does: for all
// parents and the current generation.
func (s *testServer) accept(t *testing.T, route client.Object, status metav1.ConditionStatus, message string) {
	t.Helper()
	statusFor := func(refs []gwapiv1.ParentReference, generation int64) gwapiv1.RouteStatus {
		var routeStatus gwapiv1.RouteStatus
		for _, ref := range refs {
			routeStatus.Parents = append(routeStatus.Parents, gwapiv1.RouteParentStatus{
				ParentRef: ref, ControllerName: "example.com/controller",
				Conditions: []metav1.Condition{{
					Type: "Accepted", Status: status, Reason: "Accepted", Message: message,
					ObservedGeneration: generation, LastTransitionTime: metav1.Now(),
				}},
			})
		}
		return routeStatus
	}
	switch route := route.(type) {
	case *gwapiv1.HTTPRoute:
		route.Status.RouteStatus = statusFor(route.Spec.ParentRefs, route.Generation)
	case *gwapiv1.GRPCRoute:
		route.Status.RouteStatus = statusFor(route.Spec.ParentRefs, route.Generation)
	}
	NewWithT(t).Expect(s.client.Status().Update(context.Background(), route)).To(Succeed())
}

// allow lets a user list and watch resources in a namespace until the test ends.
func (s *testServer) allow(t *testing.T, user, namespace string, resources ...string) {
	t.Helper()
	name := user + "-" + strings.Join(resources, "-")
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{gwapiv1.GroupName}, Resources: resources, Verbs: []string{"list", "watch"}}},
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}
	s.create(t, role, binding)
	t.Cleanup(func() {
		s.delete(t, binding)
		s.delete(t, role)
	})
}

// as returns the configuration of a user who may only discover.
func (s *testServer) as(t *testing.T, user string) *rest.Config {
	t.Helper()
	authenticated, err := s.env.AddUser(envtest.User{Name: user}, s.config)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return authenticated.Config()
}

// observation is a running observer with its notifications and log lines.
type observation struct {
	*Observer
	stop func()

	mu       sync.Mutex
	notified []RouteRef
	logged   []string
}

// observe starts an observer with a short discovery interval, and waits for its
// first sync.
func observe(t *testing.T, config *rest.Config, opts Options) *observation {
	t.Helper()
	g := NewWithT(t)
	o := &observation{}
	if opts.DiscoveryInterval == 0 {
		opts.DiscoveryInterval = 4 * poll
	}
	opts.Logger = funcr.New(func(_, args string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.logged = append(o.logged, args)
	}, funcr.Options{})
	observer, err := New(config, opts)
	g.Expect(err).NotTo(HaveOccurred())
	observer.Subscribe(func(ref RouteRef) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.notified = append(o.notified, ref)
	})
	o.Observer = observer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- observer.Start(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		g.Expect(<-ended).To(Succeed())
	})
	t.Cleanup(o.stop)
	waiting, cancelWaiting := context.WithTimeout(ctx, soon)
	defer cancelWaiting()
	g.Expect(observer.WaitForSync(waiting)).To(Succeed())
	return o
}

// count returns the number of notifications about the route.
func (o *observation) count(ref RouteRef) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	count := 0
	for _, notified := range o.notified {
		if notified == ref {
			count++
		}
	}
	return count
}

// logs counts the log lines with a text.
func (o *observation) logs(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	count := 0
	for _, line := range o.logged {
		if strings.Contains(line, text) {
			count++
		}
	}
	return count
}

// faults responds to requests in place of the API server.
type faults struct {
	mu   sync.Mutex
	path string
	hits int
}

// fail responds with 503 to requests for paths with this suffix; empty disables it.
func (f *faults) fail(suffix string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.path, f.hits = suffix, 0
}

func (f *faults) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

func (f *faults) wrap(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if f.hit(request.URL.Path) {
				return &http.Response{
					StatusCode: http.StatusServiceUnavailable, Request: request, Body: http.NoBody, Header: http.Header{},
				}, nil
			}
			return next.RoundTrip(request)
		})
	})
	return config
}

func (f *faults) hit(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" || !strings.HasSuffix(path, f.path) {
		return false
	}
	f.hits++
	return true
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func newNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func gatewayIn(namespace, name, environment string) *gwapiv1.Gateway {
	gateway := &gwapiv1.Gateway{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{signetv1alpha1.LabelEnvironment: environment},
	}}
	gateway.Spec.GatewayClassName = "example"
	gateway.Spec.Listeners = []gwapiv1.Listener{{Name: "http", Port: 80, Protocol: gwapiv1.HTTPProtocolType}}
	return gateway
}

func listenerSetIn(namespace, name string, gateway *gwapiv1.Gateway) *gwapiv1.ListenerSet {
	set := &gwapiv1.ListenerSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	attach(set, gateway)
	set.Spec.Listeners = []gwapiv1.ListenerEntry{{Name: "http", Port: 8080, Protocol: gwapiv1.HTTPProtocolType}}
	return set
}

func attach(set *gwapiv1.ListenerSet, gateway *gwapiv1.Gateway) {
	in := gwapiv1.Namespace(gateway.Namespace)
	set.Spec.ParentRef = gwapiv1.ParentGatewayReference{Name: gwapiv1.ObjectName(gateway.Name), Namespace: &in}
}

func parentRef(kind, namespace, name string) gwapiv1.ParentReference {
	ofKind, in := gwapiv1.Kind(kind), gwapiv1.Namespace(namespace)
	return gwapiv1.ParentReference{Kind: &ofKind, Namespace: &in, Name: gwapiv1.ObjectName(name)}
}

func httpRouteIn(namespace, name string, parents ...gwapiv1.ParentReference) *gwapiv1.HTTPRoute {
	route := &gwapiv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	route.Spec.ParentRefs = parents
	return route
}

func grpcRouteIn(namespace, name string, parents ...gwapiv1.ParentReference) *gwapiv1.GRPCRoute {
	route := &gwapiv1.GRPCRoute{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	route.Spec.ParentRefs = parents
	return route
}
