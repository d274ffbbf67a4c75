// SPDX-License-Identifier: Apache-2.0

package gatewayapi_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"path"
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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// discoveryInterval keeps the tests short.
const discoveryInterval = 200 * time.Millisecond

// testServer is a separate cluster, because the tests of the observer install and
// remove the kinds of the Gateway API.
type testServer struct{ *env.Cluster }

func startServer(t *testing.T) *testServer {
	t.Helper()
	cluster, err := env.Start(t.Context(), env.Options{})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cluster.Stop)
	return &testServer{cluster}
}

func crdOptions(t *testing.T, resources []string) envtest.CRDInstallOptions {
	t.Helper()
	options, err := env.GatewayAPIOptions(context.Background(), resources...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
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
	_, err := envtest.InstallCRDs(s.Config, crdOptions(t, resources))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// remove removes CRDs, with all objects, and waits until they are gone.
func (s *testServer) remove(t *testing.T, resources ...string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(envtest.UninstallCRDs(s.Config, crdOptions(t, resources))).To(Succeed())
	for _, resource := range resources {
		crd := &metav1.PartialObjectMetadata{}
		crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		g.Eventually(func() error {
			return s.Admin.Get(context.Background(), client.ObjectKey{Name: resource + "." + gwapiv1.GroupName}, crd)
		}).WithTimeout(proc.Long).WithPolling(proc.Poll).Should(MatchError(apierrors.IsNotFound, "NotFound"))
	}
}

func (s *testServer) removeObjects(t *testing.T, resource string) {
	t.Helper()
	g := NewWithT(t)
	kind, err := s.Admin.RESTMapper().KindFor(schema.GroupVersionResource{Group: gwapiv1.GroupName, Resource: resource})
	if meta.IsNoMatchError(err) {
		return // the test has removed it
	}
	g.Expect(err).NotTo(HaveOccurred())
	objects := &metav1.PartialObjectMetadataList{}
	objects.SetGroupVersionKind(kind)
	if err := s.Admin.List(context.Background(), objects); !apierrors.IsNotFound(err) {
		g.Expect(err).NotTo(HaveOccurred())
	}
	for i := range objects.Items {
		g.Expect(client.IgnoreNotFound(s.Admin.Delete(context.Background(), &objects.Items[i]))).To(Succeed())
	}
}

// create creates objects. An object that exists already is no error.
func (s *testServer) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		err := s.Admin.Create(context.Background(), object)
		NewWithT(t).Expect(client.IgnoreAlreadyExists(err)).To(Succeed())
	}
}

func (s *testServer) delete(t *testing.T, object client.Object) {
	t.Helper()
	NewWithT(t).Expect(s.Admin.Delete(context.Background(), object)).To(Succeed())
}

// change applies a change to the current object.
func (s *testServer) change(t *testing.T, object client.Object, change func()) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(s.Admin.Get(context.Background(), client.ObjectKeyFromObject(object), object)).To(Succeed())
	change()
	g.Expect(s.Admin.Update(context.Background(), object)).To(Succeed())
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
	NewWithT(t).Expect(s.Admin.Status().Update(context.Background(), route)).To(Succeed())
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
func (s *testServer) as(user string) *rest.Config {
	config := rest.CopyConfig(s.Config)
	config.Impersonate.UserName = user
	return config
}

// observation is a running observer with its notifications and log lines.
type observation struct {
	*gatewayapi.Observer
	stop     func()
	requests requestLog

	mu       sync.Mutex
	notified []gatewayapi.RouteRef
	logged   []string
}

// observe starts an observer with a short discovery interval, and waits for its
// first sync.
func observe(t *testing.T, config *rest.Config, opts gatewayapi.Options) *observation {
	t.Helper()
	g := NewWithT(t)
	o := &observation{}
	if opts.DiscoveryInterval == 0 {
		opts.DiscoveryInterval = discoveryInterval
	}
	opts.Logger = funcr.New(func(_, args string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.logged = append(o.logged, args)
	}, funcr.Options{})
	observer, err := gatewayapi.New(o.requests.wrap(config), opts)
	g.Expect(err).NotTo(HaveOccurred())
	observer.Subscribe(func(ref gatewayapi.RouteRef) {
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
	waiting, cancelWaiting := context.WithTimeout(ctx, proc.Soon)
	defer cancelWaiting()
	g.Expect(observer.WaitForSync(waiting)).To(Succeed())
	return o
}

// count returns the number of notifications about the route.
func (o *observation) count(ref gatewayapi.RouteRef) int {
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

// requestLog has what an API server knows of an observer.
type requestLog struct {
	mu sync.Mutex
	// discoveries counts requests for the kinds that are served, and reads counts
	// lists and watches of objects. Open watches are counted by resource.
	discoveries, reads int
	open               map[string]int
}

func (l *requestLog) wrap(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return env.RoundTripper(func(request *http.Request) (*http.Response, error) {
			resource := path.Base(request.URL.Path)
			l.count(resource)
			response, err := next.RoundTrip(request)
			if err == nil && response.StatusCode == http.StatusOK && request.URL.Query().Get("watch") != "" {
				l.change(resource, 1)
				response.Body = &closer{ReadCloser: response.Body, closed: sync.OnceFunc(func() { l.change(resource, -1) })}
			}
			return response, err
		})
	})
	return config
}

func (l *requestLog) count(resource string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch resource {
	case "v1":
		l.discoveries++
	case httpRoutes, grpcRoutes, gateways, listenerSets:
		l.reads++
	}
}

func (l *requestLog) change(resource string, by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[string]int{}
	}
	if l.open[resource] += by; l.open[resource] == 0 {
		delete(l.open, resource)
	}
}

// watches returns how many watches of each resource are open.
func (l *requestLog) watches() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.open)
}

func (l *requestLog) counts() (discoveries, reads int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.discoveries, l.reads
}

// closer calls a function when it is closed.
type closer struct {
	io.ReadCloser
	closed func()
}

func (c *closer) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

// faults responds to requests in place of the API server.
type faults struct {
	mu     sync.Mutex
	path   string
	status int
	hits   int
	// cut ends the requests for path that were let through.
	cut map[string][]context.CancelFunc
}

// fail responds with 503 to requests for paths with this suffix; empty disables it.
func (f *faults) fail(suffix string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.path, f.status, f.hits = suffix, http.StatusServiceUnavailable, 0
}

// forbid ends the watches of this path, and responds with 403 from now on.
func (f *faults) forbid(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.path, f.status, f.hits = path, http.StatusForbidden, 0
	for _, cut := range f.cut[path] {
		cut()
	}
}

func (f *faults) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

func (f *faults) wrap(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return env.RoundTripper(func(request *http.Request) (*http.Response, error) {
			ctx, status := f.admit(request)
			if status != 0 {
				return &http.Response{StatusCode: status, Request: request, Body: http.NoBody, Header: http.Header{}}, nil
			}
			return next.RoundTrip(request.WithContext(ctx))
		})
	})
	return config
}

// admit returns the status to respond with, or zero and the context of the request.
func (f *faults) admit(request *http.Request) (context.Context, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := request.URL.Path
	if f.path != "" && strings.HasSuffix(path, f.path) {
		f.hits++
		return nil, f.status
	}
	ctx, cancel := context.WithCancel(request.Context())
	if f.cut == nil {
		f.cut = map[string][]context.CancelFunc{}
	}
	f.cut[path] = append(f.cut[path], cancel)
	return ctx, 0
}

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
