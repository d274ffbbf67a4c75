// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Options configure a Cache.
type Options struct {
	// Namespaces to serve, at least one.
	Namespaces []string
	// Check finds out whether a namespace can be served.
	Check Check
	// Clock defaults to the real one.
	Clock clock.WithTicker
	// Logger defaults to that of controller-runtime, named namespaces.
	Logger logr.Logger
}

// Cache reads from the caches of all namespaces that are served. A nil Cache stands
// for a command that works in all namespaces: each is served.
type Cache struct {
	config  *rest.Config
	options cache.Options
	check   Check
	clock   clock.WithTicker
	log     logr.Logger
	members map[string]*member
	// settled is closed when each namespace is served or known not to be.
	settled   chan struct{}
	unsettled sync.WaitGroup

	mu          sync.RWMutex
	indexes     []fieldIndex
	informers   map[schema.GroupVersionKind]*informer
	subscribers []func(namespace string, served bool)
}

type fieldIndex struct {
	object client.Object
	field  string
	values client.IndexerFunc
}

// State is what is known of a namespace.
type State struct {
	Served bool
	// Configured is true if the namespace is to be served.
	Configured bool
	// Problem is why the namespace is not served, and what to do; empty if it is.
	Problem string
}

// NotServedError is the error of a read in a namespace that is not served.
type NotServedError struct{ Namespace, Problem string }

// Error returns the namespace and the problem.
func (e *NotServedError) Error() string {
	return fmt.Sprintf("namespace %s is not served: %s", e.Namespace, e.Problem)
}

// IsNotServed reports whether a read failed because its namespace is not served.
func IsNotServed(err error) bool {
	var notServed *NotServedError
	return errors.As(err, &notServed)
}

var errClusterScoped = errors.New("the cache has no objects outside of namespaces")

// New returns a cache that is not started. The options of caches apply to each
// namespace; they name none.
func New(config *rest.Config, caches cache.Options, options Options) *Cache {
	c := &Cache{
		config: config, options: caches, check: options.Check, clock: options.Clock, log: options.Logger,
		members: map[string]*member{}, settled: make(chan struct{}),
		informers: map[schema.GroupVersionKind]*informer{},
	}
	if c.clock == nil {
		c.clock = clock.RealClock{}
	}
	if c.log.GetSink() == nil {
		c.log = ctrl.Log.WithName("namespaces")
	}
	for _, namespace := range options.Namespaces {
		c.members[namespace] = newMember(c, namespace)
	}
	c.unsettled.Add(len(c.members))
	return c
}

// Namespaces returns the namespaces that are to be served, in order; none stands for
// all.
func (c *Cache) Namespaces() []string {
	if c == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.members))
}

// State returns what is known of a namespace.
func (c *Cache) State(namespace string) State {
	if c == nil {
		return State{Served: true, Configured: true}
	}
	if m := c.members[namespace]; m != nil {
		state := m.current()
		state.Configured = true
		return state
	}
	return State{Problem: "it is not in --namespaces"}
}

// IsServed reports whether the objects of a namespace can be read.
func (c *Cache) IsServed(namespace string) bool { return c.State(namespace).Served }

// Subscribe adds a function that is called when a namespace is served and the event
// handlers have received its objects, and when it is no longer served: before and after
// they receive the deletion of its objects. It must not block.
func (c *Cache) Subscribe(changed func(namespace string, served bool)) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribers = append(c.subscribers, changed)
}

func (c *Cache) notify(namespace string, served bool) {
	c.mu.RLock()
	subscribers := slices.Clone(c.subscribers)
	c.mu.RUnlock()
	for _, changed := range subscribers {
		changed(namespace, served)
	}
}

// Recheck checks a namespace that is served soon: something has happened to it.
func (c *Cache) Recheck(namespace string) {
	if c == nil {
		return
	}
	if m := c.members[namespace]; m != nil {
		m.recheckSoon()
	}
}

// Start serves all namespaces until the context ends.
func (c *Cache) Start(ctx context.Context) error {
	var running sync.WaitGroup
	for _, m := range c.members {
		running.Go(func() { m.run(ctx) })
	}
	go func() {
		c.unsettled.Wait()
		close(c.settled)
	}()
	running.Wait()
	return nil
}

// WaitForCacheSync waits until each namespace is served or known not to be.
func (c *Cache) WaitForCacheSync(ctx context.Context) bool {
	select {
	case <-c.settled:
		return true
	case <-ctx.Done():
		return false
	}
}

// reader returns the cache of a namespace.
func (c *Cache) reader(namespace string) (client.Reader, error) {
	if namespace == metav1.NamespaceAll {
		return nil, errClusterScoped
	}
	if m := c.members[namespace]; m != nil {
		if served := m.instance(); served != nil {
			return served.cache, nil
		}
	}
	return nil, &NotServedError{Namespace: namespace, Problem: c.State(namespace).Problem}
}

// Get reads an object of a namespace that is served.
func (c *Cache) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	reader, err := c.reader(key.Namespace)
	if err != nil {
		return err
	}
	return reader.Get(ctx, key, object, options...)
}

// List lists the objects of a namespace, or of all namespaces that are served.
func (c *Cache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	var all client.ListOptions
	all.ApplyOptions(options)
	if all.Namespace != metav1.NamespaceAll {
		reader, err := c.reader(all.Namespace)
		if err != nil {
			return err
		}
		return reader.List(ctx, list, options...)
	}
	var items []runtime.Object
	for _, namespace := range c.Namespaces() {
		served := c.members[namespace].instance()
		if served == nil {
			continue
		}
		part, ok := list.DeepCopyObject().(client.ObjectList)
		if !ok {
			return fmt.Errorf("%T is not a list", list)
		}
		if err := served.cache.List(ctx, part, options...); err != nil {
			return fmt.Errorf("list in namespace %s: %w", namespace, err)
		}
		found, err := meta.ExtractList(part)
		if err != nil {
			return fmt.Errorf("list in namespace %s: %w", namespace, err)
		}
		items = append(items, found...)
	}
	return meta.SetList(list, items)
}

// IndexField adds an index to the caches of all namespaces. It must be called before
// the start.
func (c *Cache) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	if _, err := c.informerOf(object); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.indexes = append(c.indexes, fieldIndex{object, field, values})
	return nil
}

// GetInformer returns the informer for the kind of the object. It does not wait: a
// namespace that cannot be read now must not stop the others.
func (c *Cache) GetInformer(_ context.Context, object client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	return c.informerOf(object)
}

// GetInformerForKind is GetInformer for a kind of the scheme.
func (c *Cache) GetInformerForKind(_ context.Context, gvk schema.GroupVersionKind, _ ...cache.InformerGetOption) (cache.Informer, error) {
	created, err := c.options.Scheme.New(gvk)
	if err != nil {
		return nil, fmt.Errorf("find kind %s: %w", gvk, err)
	}
	object, ok := created.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is not an object", created)
	}
	return c.informerOf(object)
}

// RemoveInformer is not supported: no command stops to watch a kind.
func (*Cache) RemoveInformer(context.Context, client.Object) error { return errors.ErrUnsupported }

func (c *Cache) informerOf(object client.Object) (*informer, error) {
	gvk, err := apiutil.GVKForObject(object, c.options.Scheme)
	if err != nil {
		return nil, fmt.Errorf("find the kind of %T: %w", object, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.informers[gvk]
	if known == nil {
		known = &informer{cache: c, kind: gvk.GroupKind(), object: object}
		c.informers[gvk] = known
	}
	return known, nil
}
