// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// fakeCluster is an API server that lists keys, and a check of its namespaces.
type fakeCluster struct {
	mu sync.Mutex
	// keys are the names of those in each namespace.
	keys map[string][]string
	// problems of namespaces, as the check finds them; hanging ones answer no list.
	problems map[string]string
	hanging  map[string]bool
	checked  map[string]int
}

// set changes the cluster.
func (c *fakeCluster) set(change func(*fakeCluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

func (c *fakeCluster) check(_ context.Context, namespace string) (Access, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked[namespace]++
	return Access{Problem: c.problems[namespace]}, nil
}

// ServeHTTP answers lists. Watches deliver nothing.
func (c *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("sendInitialEvents") != "" {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(&metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity})
		return
	}
	namespace, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/apis/signet.dev/v1alpha1/namespaces/"), "/")
	c.mu.Lock()
	names, hangs := c.keys[namespace], c.hanging[namespace]
	c.mu.Unlock()
	if hangs || r.URL.Query().Get("watch") != "" {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	list := &signetv1alpha1.SignatureKeyList{TypeMeta: metav1.TypeMeta{Kind: "SignatureKeyList", APIVersion: "signet.dev/v1alpha1"}}
	list.ResourceVersion = "1"
	for _, name := range names {
		list.Items = append(list.Items, *gen.SignatureKey(name, gen.InNamespace(namespace)))
	}
	_ = json.NewEncoder(w).Encode(list)
}

// recorder records the keys that a handler has received, and what subscribers are
// called with.
type recorder struct {
	mu     sync.Mutex
	keys   map[string]bool
	served map[string]bool
}

func (r *recorder) handler() toolscache.ResourceEventHandler {
	name := func(object any) string {
		key, _ := object.(*signetv1alpha1.SignatureKey)
		return client.ObjectKeyFromObject(key).String()
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { r.mu.Lock(); defer r.mu.Unlock(); r.keys[name(object)] = true },
		DeleteFunc: func(object any) { r.mu.Lock(); defer r.mu.Unlock(); delete(r.keys, name(object)) },
	}
}

func (r *recorder) changed(namespace string, served bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.served[namespace] = served
}

func (r *recorder) has(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[key]
}

func (r *recorder) isServed(namespace string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.served[namespace]
}

// start starts a cache for the namespaces. It ends with the test.
func start(t *testing.T, c *fakeCluster, clock steppable, namespaces ...string) (*Cache, *recorder) {
	t.Helper()
	c.checked = map[string]int{}
	server := httptest.NewServer(c)
	scheme := runtime.NewScheme()
	if err := signetv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for gvk := range scheme.AllKnownTypes() {
		mapper.Add(gvk, meta.RESTScopeNamespace)
	}
	served := New(&rest.Config{Host: server.URL, QPS: -1}, cache.Options{Scheme: scheme, Mapper: mapper, HTTPClient: server.Client(), ReaderFailOnMissingInformer: true},
		Options{Namespaces: namespaces, Check: c.check, Clock: clock})
	told := &recorder{keys: map[string]bool{}, served: map[string]bool{}}
	served.Subscribe(told.changed)
	err := served.IndexField(t.Context(), &signetv1alpha1.SignatureKey{}, "name", func(object client.Object) []string { return []string{object.GetName()} })
	if err != nil {
		t.Fatal(err)
	}
	informer, err := served.GetInformer(t.Context(), &signetv1alpha1.SignatureKey{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := informer.AddEventHandler(told.handler()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = served.Start(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); server.CloseClientConnections(); server.Close() })
	return served, told
}

// eventually waits for the condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

func names(list *signetv1alpha1.SignatureKeyList) []string {
	var found []string
	for i := range list.Items {
		found = append(found, client.ObjectKeyFromObject(&list.Items[i]).String())
	}
	return found
}
