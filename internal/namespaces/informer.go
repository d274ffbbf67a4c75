// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"errors"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// informer delivers the events of one kind in all namespaces. A handler gets those of
// a namespace from when it is served.
type informer struct {
	cache  *Cache
	kind   schema.GroupKind
	object client.Object

	mu       sync.Mutex
	handlers []*registration
	// running are the instances of namespaces that are served.
	running []*instance
}

// registration is one handler of an informer, with its registrations in the namespaces
// that are served.
type registration struct {
	informer *informer
	handler  toolscache.ResourceEventHandler
	options  toolscache.HandlerOptions
	handles  map[*instance]handle
}

// handle is the registration in one namespace.
type handle struct {
	toolscache.ResourceEventHandlerRegistration
	source toolscache.SharedIndexInformer
}

// AddEventHandler adds a handler.
func (i *informer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{})
}

// AddEventHandlerWithResyncPeriod adds a handler that receives all objects
// repeatedly.
func (i *informer) AddEventHandlerWithResyncPeriod(handler toolscache.ResourceEventHandler, period time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{ResyncPeriod: &period})
}

// AddEventHandlerWithOptions adds a handler.
func (i *informer) AddEventHandlerWithOptions(handler toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	added := &registration{informer: i, handler: handler, options: options, handles: map[*instance]handle{}}
	for _, of := range i.running {
		if err := added.attach(of); err != nil {
			return nil, err
		}
	}
	i.handlers = append(i.handlers, added)
	return added, nil
}

// RemoveEventHandler removes a handler.
func (i *informer) RemoveEventHandler(removed toolscache.ResourceEventHandlerRegistration) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, known := range i.handlers {
		if known != removed {
			continue
		}
		i.handlers = slices.Delete(i.handlers, n, n+1)
		var errs []error
		for _, attached := range known.handles {
			errs = append(errs, attached.source.RemoveEventHandler(attached.ResourceEventHandlerRegistration))
		}
		return errors.Join(errs...)
	}
	return nil
}

// AddIndexers is not supported: Cache.IndexField adds indexes to each namespace.
func (*informer) AddIndexers(toolscache.Indexers) error { return errors.ErrUnsupported }

// HasSynced reports whether each namespace is served or known not to be.
func (i *informer) HasSynced() bool {
	select {
	case <-i.cache.settled:
		return true
	default:
		return false
	}
}

// HasSyncedChecker waits for HasSynced.
func (i *informer) HasSyncedChecker() toolscache.DoneChecker {
	return settledChecker{name: i.kind.String(), settled: i.cache.settled}
}

// IsStopped returns false: the informer may deliver events as long as the cache runs.
func (*informer) IsStopped() bool { return false }

type settledChecker struct {
	name    string
	settled <-chan struct{}
}

// Name returns the kind.
func (s settledChecker) Name() string { return s.name }

// Done is closed when each namespace is served or known not to be.
func (s settledChecker) Done() <-chan struct{} { return s.settled }

// attach adds the handler to the informer of a namespace, unless the namespace does
// not have the kind. The caller holds the informer's lock.
func (r *registration) attach(of *instance) error {
	source := of.informers[r.informer.kind]
	if source == nil {
		return nil
	}
	added, err := source.AddEventHandlerWithOptions(r.handler, r.options)
	if err != nil {
		return err
	}
	r.handles[of] = handle{added, source}
	return nil
}

// HasSynced reports whether the handler has received all objects in the namespaces
// that are served.
func (r *registration) HasSynced() bool {
	r.informer.mu.Lock()
	defer r.informer.mu.Unlock()
	for _, attached := range r.handles {
		if !attached.HasSynced() {
			return false
		}
	}
	return true
}

// HasSyncedChecker waits until each namespace is served or known not to be.
func (r *registration) HasSyncedChecker() toolscache.DoneChecker {
	return r.informer.HasSyncedChecker()
}

// connect adds the handlers to a namespace that is served now, and returns what
// reports whether they have received its objects.
func (i *informer) connect(of *instance) ([]toolscache.InformerSynced, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running = append(i.running, of)
	var synced []toolscache.InformerSynced
	for _, known := range i.handlers {
		if err := known.attach(of); err != nil {
			return nil, err
		}
		if attached, found := known.handles[of]; found {
			synced = append(synced, attached.HasSynced)
		}
	}
	return synced, nil
}

// disconnect forgets a namespace whose informers have stopped, and tells the handlers
// that its objects are gone.
func (i *informer) disconnect(of *instance) {
	i.mu.Lock()
	i.running = slices.DeleteFunc(i.running, func(known *instance) bool { return known == of })
	var told []toolscache.ResourceEventHandler
	for _, known := range i.handlers {
		if _, attached := known.handles[of]; attached {
			delete(known.handles, of)
			told = append(told, known.handler)
		}
	}
	i.mu.Unlock()
	if len(told) == 0 {
		return
	}
	for _, object := range of.informers[i.kind].GetStore().List() {
		for _, handler := range told {
			handler.OnDelete(object)
		}
	}
}
