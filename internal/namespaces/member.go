// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

const (
	// startTimeout is how long other namespaces wait, at the start, for one whose
	// objects cannot be listed.
	startTimeout = 10 * time.Second
	// checkInterval is the time between two checks of a namespace that is served:
	// watches do not end when a permission is lost.
	checkInterval = time.Minute
	// The time between two checks of a namespace that is not served doubles up to
	// the maximum.
	minRetryInterval = time.Second
	maxRetryInterval = 15 * time.Second
)

// member is one namespace.
type member struct {
	cache     *Cache
	namespace string
	log       logr.Logger
	recheck   chan struct{}
	settle    sync.Once

	mu     sync.RWMutex
	state  State
	served *instance
}

// instance is the cache of a namespace while it is served.
type instance struct {
	cache     cache.Cache
	informers map[schema.GroupKind]toolscache.SharedIndexInformer
	// absent are the kinds that are not watched, for lack of a permission.
	absent []schema.GroupKind
}

func newMember(c *Cache, namespace string) *member {
	return &member{
		cache: c, namespace: namespace, log: c.log.WithValues("namespace", namespace), recheck: make(chan struct{}, 1),
		state: State{Problem: "it has not been checked yet"},
	}
}

func (m *member) current() State {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state
}

func (m *member) instance() *instance {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.served
}

func (m *member) recheckSoon() {
	select {
	case m.recheck <- struct{}{}:
	default:
	}
}

// settled records that the namespace is served or known not to be.
func (m *member) settled() { m.settle.Do(m.cache.unsettled.Done) }

// run serves the namespace whenever that is possible, until the context ends.
func (m *member) run(ctx context.Context) {
	defer m.settled()
	interval := minRetryInterval
	for ctx.Err() == nil {
		access, err := m.cache.check(ctx, m.namespace)
		switch {
		case err != nil:
			m.report(ctx, fmt.Sprintf("it cannot be checked: %v", err))
		case access.Problem != "":
			m.report(ctx, access.Problem)
		default:
			interval = minRetryInterval
			if problem := m.serve(ctx, access); ctx.Err() == nil {
				m.report(ctx, problem)
			}
		}
		m.settled()
		select {
		case <-ctx.Done():
		case <-m.cache.clock.After(interval):
		}
		interval = min(2*interval, maxRetryInterval)
	}
}

// report ends that the namespace can be read. It records why, and logs it when it
// changes.
func (m *member) report(ctx context.Context, problem string) {
	m.mu.Lock()
	changed := m.state.Problem != problem
	m.state, m.served = State{Problem: problem}, nil
	m.mu.Unlock()
	if changed && ctx.Err() == nil {
		m.log.Info("Namespace is not served, checking again", "problem", problem)
	}
}

// serve fills the caches of the namespace and serves it until that is no longer
// possible. It returns why. When the command ends, nothing is withdrawn.
func (m *member) serve(parent context.Context, access Access) string {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	created, err := m.newInstance(ctx, access)
	if err != nil {
		return fmt.Sprintf("its caches cannot be created: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := created.cache.Start(ctx); err != nil {
			m.log.Error(err, "Failed to watch the namespace")
		}
	}()
	problem := m.fill(ctx, created)
	if problem == "" {
		problem = m.publish(ctx, created)
	}
	if problem == "" {
		problem = m.watchAccess(ctx, access, ended)
	}
	if parent.Err() == nil {
		m.report(ctx, problem)
	}
	cancel()
	<-ended
	if parent.Err() != nil {
		return problem
	}
	m.cache.notify(m.namespace, false)
	for _, of := range m.informers() {
		of.disconnect(created)
	}
	m.cache.notify(m.namespace, false)
	return problem
}

// informers returns the informers of all kinds.
func (m *member) informers() []*informer {
	m.cache.mu.RLock()
	defer m.cache.mu.RUnlock()
	return slices.Collect(maps.Values(m.cache.informers))
}

// newInstance creates the caches of the namespace, with all indexes.
func (m *member) newInstance(ctx context.Context, access Access) (*instance, error) {
	created := &instance{informers: map[schema.GroupKind]toolscache.SharedIndexInformer{}, absent: access.Absent}
	options := m.cache.options
	options.DefaultNamespaces = map[string]cache.Config{m.namespace: {}}
	options.DefaultWatchErrorHandler = m.watchFailed
	options.NewInformer = func(source toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
		informer := toolscache.NewSharedIndexInformer(source, object, resync, indexers)
		if gvk, err := apiutil.GVKForObject(object, options.Scheme); err == nil {
			created.informers[gvk.GroupKind()] = informer
		}
		return informer
	}
	var err error
	if created.cache, err = cache.New(m.cache.config, options); err != nil {
		return nil, fmt.Errorf("create cache: %w", err)
	}
	m.cache.mu.RLock()
	indexes := slices.Clone(m.cache.indexes)
	m.cache.mu.RUnlock()
	for _, of := range m.informers() {
		if slices.Contains(access.Absent, of.kind) {
			continue
		}
		if _, err := created.cache.GetInformer(ctx, of.object, cache.BlockUntilSynced(false)); err != nil {
			return nil, fmt.Errorf("watch %s: %w", of.kind, err)
		}
	}
	for _, index := range indexes {
		if err := created.cache.IndexField(ctx, index.object, index.field, index.values); err != nil {
			return nil, fmt.Errorf("index %T: %w", index.object, err)
		}
	}
	return created, nil
}

// watchFailed checks the namespace when an object cannot be listed or watched.
func (m *member) watchFailed(ctx context.Context, reflector *toolscache.Reflector, err error) {
	if apierrors.IsForbidden(err) {
		m.recheckSoon()
		return // the check finds out what is missing, and reports it
	}
	toolscache.DefaultWatchErrorHandler(ctx, reflector, err)
}

// fill waits until the caches of the namespace are filled. It returns why they are
// not.
func (m *member) fill(ctx context.Context, created *instance) string {
	synced := make([]toolscache.InformerSynced, 0, len(created.informers))
	for _, informer := range created.informers {
		synced = append(synced, informer.HasSynced)
	}
	filled := make(chan struct{})
	go func() {
		if toolscache.WaitForCacheSync(ctx.Done(), synced...) {
			close(filled)
		}
	}()
	timeout := m.cache.clock.After(startTimeout)
	for {
		select {
		case <-filled:
			return ""
		case <-ctx.Done():
			return "the command is shutting down"
		case <-timeout:
			m.report(ctx, "its objects have not been listed yet. This resolves without action if the API server answers")
			m.settled()
		case <-m.recheck:
			if access, err := m.cache.check(ctx, m.namespace); err == nil && access.Problem != "" {
				return access.Problem
			}
		}
	}
}

// publish lets the namespace be read, and waits until the event handlers have
// received its objects.
func (m *member) publish(ctx context.Context, created *instance) string {
	m.mu.Lock()
	m.served, m.state = created, State{Served: true}
	m.mu.Unlock()
	var all []toolscache.InformerSynced
	for _, of := range m.informers() {
		synced, err := of.connect(created)
		if err != nil {
			return fmt.Sprintf("its events cannot be followed: %v", err)
		}
		all = append(all, synced...)
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), all...) {
		return "the command is shutting down"
	}
	m.log.Info("Namespace is served")
	m.cache.notify(m.namespace, true)
	m.settled()
	return ""
}

// watchAccess returns when the namespace cannot be served any longer, and why. If
// that cannot be found out, it is.
func (m *member) watchAccess(ctx context.Context, granted Access, ended <-chan struct{}) string {
	ticker := m.cache.clock.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return "the command is shutting down"
		case <-ended:
			return "its caches have stopped: see the log"
		case <-ticker.C():
		case <-m.recheck:
		}
		access, err := m.cache.check(ctx, m.namespace)
		switch {
		case err != nil:
			m.log.V(1).Info("Failed to check namespace", "error", err.Error())
		case access.Problem != "":
			return access.Problem
		case !slices.Equal(access.Absent, granted.Absent):
			return "its permissions have changed: it is started again"
		}
	}
}
