// SPDX-License-Identifier: Apache-2.0

package term

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/namespaces"
	"github.com/signet-dev/signet/internal/slots"
)

const (
	// pageSize is the number of bindings in one page of a list. One with 1,000 APIs has up
	// to 600 KB, and the page is in memory three times while it is decoded.
	pageSize = 50
	// pageTimeout is how long a page may take: a namespace that does not answer must
	// not keep a worker from the others.
	pageTimeout = 30 * time.Second
	// busyDelay is when to try again while another worker lists the same namespace.
	busyDelay = 250 * time.Millisecond
)

// Term is the time for which this process leads. Its fields are set before Begin.
type Term struct {
	// Cache has the keys, and Live is the API server.
	Cache, Live client.Reader
	// Claims is what decisions are made on.
	Claims *slots.ClaimCache
	// Served are the namespaces that are served; nil means all. Follow must be called
	// with it.
	Served *namespaces.Cache
	// Join prepares a namespace that is served before the first decision about it; nil if
	// there is nothing to prepare.
	Join func(ctx context.Context, namespace string) error

	mu    sync.Mutex
	lists map[string]*list
	// begins begins a namespace that is served; nil before this replica leads.
	begins func(namespace string)
}

// list is one list of bindings. The lock is held while it is made.
type list struct {
	sync.Mutex
	done atomic.Bool
	// keys and secrets are the resourceVersions that these resources had then.
	keys, secrets string
}

// Begin lists the bindings from the API server, at its first call that succeeds: all of
// them, or with Served those of the namespace, and again when it is served again. Each
// reconcile of a key or binding calls it first. If ok is false, no decision about the
// namespace may be made now; after is when to try again, or zero if it is not served:
// all objects are reconciled when it is.
func (t *Term) Begin(ctx context.Context, namespace string) (after time.Duration, ok bool, err error) {
	if t.Served == nil {
		err = t.beginAll(ctx)
		return 0, err == nil, err
	}
	if !t.Served.IsServed(namespace) {
		return 0, false, nil
	}
	listed := t.listOf(namespace)
	if listed.done.Load() {
		return 0, true, nil
	}
	if !listed.TryLock() {
		return busyDelay, false, nil // this worker is for other namespaces meanwhile
	}
	defer listed.Unlock()
	if listed.done.Load() {
		return 0, true, nil
	}
	if err := t.beginNamespace(ctx, namespace, listed); err != nil {
		return 0, false, err
	}
	return 0, true, nil
}

// Start begins the term as soon as this replica leads, so that keys which are created from
// then on need not be fenced; with Served, in each namespace as soon as it is served. If
// a list fails, the first reconcile repeats it.
func (t *Term) Start(ctx context.Context) error {
	if t.Served == nil {
		_ = t.beginAll(ctx)
		return nil
	}
	begin := func(namespace string) { go func() { _, _, _ = t.Begin(ctx, namespace) }() }
	t.mu.Lock()
	t.begins = begin
	t.mu.Unlock()
	for _, namespace := range t.Served.Namespaces() {
		begin(namespace)
	}
	return nil
}

// Follow forgets a namespace that is no longer served. When it is served again,
// decisions begin as with a new leader.
func (t *Term) Follow(served *namespaces.Cache) {
	t.Served = served
	served.Subscribe(func(namespace string, served bool) {
		if served {
			t.mu.Lock()
			begin := t.begins
			t.mu.Unlock()
			if begin != nil {
				begin(namespace)
			}
			return
		}
		// In this order: a list that begins in between counts for claims that stay.
		t.Claims.Forget(namespace)
		t.mu.Lock()
		delete(t.lists, namespace)
		t.mu.Unlock()
	})
}

// MayChange reports whether an earlier leader may have sent a write of this version of a
// SignatureKey or Secret that is still on its way: it has not been changed in this term.
// For other objects it is false.
func (t *Term) MayChange(object client.Object) bool {
	namespace := metav1.NamespaceAll
	if t.Served != nil {
		namespace = object.GetNamespace()
	}
	listed := t.listOf(namespace)
	if !listed.done.Load() {
		return true
	}
	version := ""
	switch object.(type) {
	case *signetv1alpha1.SignatureKey:
		version = listed.keys
	case *corev1.Secret:
		version = listed.secrets
	}
	order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), version)
	return err == nil && order <= 0
}

func (t *Term) listOf(namespace string) *list {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lists == nil {
		t.lists = map[string]*list{}
	}
	if t.lists[namespace] == nil {
		t.lists[namespace] = &list{}
	}
	return t.lists[namespace]
}

func (t *Term) beginNamespace(ctx context.Context, namespace string, listed *list) error {
	if t.Join != nil {
		if err := t.Join(ctx, namespace); err != nil {
			return err
		}
	}
	// Later claims of the namespace are of a later list.
	return t.listBindings(ctx, namespace, listed, t.Claims.Namespace(namespace))
}

func (t *Term) beginAll(ctx context.Context) error {
	listed := t.listOf(metav1.NamespaceAll)
	listed.Lock()
	defer listed.Unlock()
	if listed.done.Load() {
		return nil
	}
	return t.listBindings(ctx, metav1.NamespaceAll, listed, t.Claims)
}

// claims are those of one namespace or of all.
type claims interface {
	BeginList()
	Prime(binding *signetv1alpha1.SignatureBinding)
	MarkPrimed(listVersion string)
}

// listBindings makes the list, which begins the decisions.
func (t *Term) listBindings(ctx context.Context, namespace string, listed *list, claims claims) error {
	claims.BeginList()
	version, err := t.list(ctx, namespace, claims.Prime)
	if err != nil {
		return err
	}
	if listed.keys, err = t.version(ctx, namespace, signetv1alpha1.GroupVersion.WithKind("SignatureKey")); err != nil {
		return err
	}
	material := client.HasLabels{signetv1alpha1.LabelMaterial} // no other Secret is listed
	if listed.secrets, err = t.version(ctx, namespace, corev1.SchemeGroupVersion.WithKind("Secret"), material); err != nil {
		return err
	}
	claims.MarkPrimed(version)
	listed.done.Store(true)
	return nil
}

// version returns the resourceVersion of a resource: those of two resources cannot be
// compared.
func (t *Term) version(ctx context.Context, namespace string, kind schema.GroupVersionKind, options ...client.ListOption) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := t.Live.List(ctx, list, append(options, client.InNamespace(namespace), client.Limit(1))...); err != nil {
		return "", fmt.Errorf("list one %s: %w", kind.Kind, err)
	}
	return list.ResourceVersion, nil
}

// Watch fills the claims from the caches, in each replica: admission reads them, too. It
// returns whether they have all that existed at the start.
func (t *Term) Watch(ctx context.Context, informers cache.Informers) (synced func() bool, err error) {
	bindings, err := watch(ctx, informers, t.Claims.Update, t.Claims.Delete)
	if err != nil {
		return nil, err
	}
	keys, err := watch(ctx, informers,
		func(key *signetv1alpha1.SignatureKey) { t.Claims.ObserveKey(key.Namespace, key.Name, key) },
		func(key *signetv1alpha1.SignatureKey) { t.Claims.ObserveKey(key.Namespace, key.Name, nil) })
	if err != nil {
		return nil, err
	}
	return func() bool { return bindings.HasSynced() && keys.HasSynced() }, nil
}

// watch calls functions with the objects of one kind that appear or change, and that go.
func watch[T any, P interface {
	*T
	client.Object
}](ctx context.Context, informers cache.Informers, changed, gone func(P)) (toolscache.ResourceEventHandlerRegistration, error) {
	informer, err := informers.GetInformer(ctx, P(new(T)))
	if err != nil {
		return nil, fmt.Errorf("follow %T: %w", P(new(T)), err)
	}
	call := func(do func(P)) func(any) {
		return func(object any) {
			if last, missed := object.(toolscache.DeletedFinalStateUnknown); missed {
				object = last.Obj
			}
			if object, ok := object.(P); ok {
				do(object)
			}
		}
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: call(changed), UpdateFunc: func(_, object any) { call(changed)(object) }, DeleteFunc: call(gone),
	})
	if err != nil {
		return nil, fmt.Errorf("follow %T: %w", P(new(T)), err)
	}
	return registration, nil
}

// list passes each binding to add and returns the resourceVersion of the list: all pages
// show the state at the first one.
func (t *Term) list(ctx context.Context, namespace string, add func(*signetv1alpha1.SignatureBinding)) (version string, err error) {
	var keys signetv1alpha1.SignatureKeyList
	if err := t.Cache.List(ctx, &keys, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("list SignatureKeys: %w", err)
	}
	for i := range keys.Items {
		t.Claims.ObserveKey(keys.Items[i].Namespace, keys.Items[i].Name, &keys.Items[i])
	}
	next := ""
	for {
		page, err := t.page(ctx, namespace, next)
		if err != nil {
			return "", err
		}
		for i := range page.Items {
			add(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			return page.ResourceVersion, nil
		}
	}
}

func (t *Term) page(ctx context.Context, namespace, next string) (*signetv1alpha1.SignatureBindingList, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	page := &signetv1alpha1.SignatureBindingList{}
	err := t.Live.List(ctx, page, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(next))
	if err != nil {
		return nil, fmt.Errorf("list SignatureBindings: %w", err)
	}
	return page, nil
}
