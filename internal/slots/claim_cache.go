// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"maps"
	"slices"
	"sync"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// ClaimCache has a NamespaceCache for each namespace, and admits one decision at a time
// about each, and one writer at a time of the objects of each key.
type ClaimCache struct {
	// dropping is held to drop a namespace, and for reading while one is changed.
	dropping sync.RWMutex

	mu      sync.Mutex
	entries map[string]*namespaceEntry
	// listing is true while the leader's own list of all namespaces is read, and primed
	// when it is complete.
	listing, primed bool
	listVersion     string
	// subscribers are told what changes for others.
	subscribers []func(namespace string, change Change)
}

type namespaceEntry struct {
	decision gate
	cache    *NamespaceCache

	mu sync.Mutex
	// keys are the gates of the keys that are being written.
	keys map[string]*gate
}

// NewClaimCache returns an empty cache.
func NewClaimCache() *ClaimCache {
	return &ClaimCache{entries: map[string]*namespaceEntry{}}
}

// Decide admits one decision about the namespace at a time. A decision is made and
// assumed in memory; requests follow after end is called. If another decision is being
// made, ok is false, and the waiter is called when it ends.
func (c *ClaimCache) Decide(namespace string, waiter Waiter) (cache *NamespaceCache, end func(), ok bool) {
	entry := c.entry(namespace)
	end, ok = entry.decision.enter(waiter)
	return entry.cache, end, ok
}

// WriteKey admits one writer of the key, of its Secret and of its ConfigMap at a time,
// who reads, decides and writes before end is called. If another one is at work, ok is
// false, and the waiter is called when it ends.
func (c *ClaimCache) WriteKey(namespace, key string, waiter Waiter) (end func(), ok bool) {
	entry := c.entry(namespace)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	g := entry.keys[key]
	if g == nil {
		g = &gate{}
		entry.keys[key] = g
	}
	leave, ok := g.enter(waiter)
	if !ok {
		return nil, false
	}
	return func() {
		entry.mu.Lock()
		delete(entry.keys, key) // the next writer gets another gate
		entry.mu.Unlock()
		leave()
	}, true
}

// Namespace returns the namespace's cache for observations.
func (c *ClaimCache) Namespace(namespace string) *NamespaceCache {
	return c.entry(namespace).cache
}

// Subscribe calls the function with what each change of the claims changes for others.
// It must be called before the first change, and the function must not block.
func (c *ClaimCache) Subscribe(changed func(namespace string, change Change)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribers = append(c.subscribers, changed)
}

// Update adds a binding that a list or watch has shown.
func (c *ClaimCache) Update(binding *signetv1alpha1.SignatureBinding) {
	c.change(binding.Namespace, func(cache *NamespaceCache) Change { return cache.Update(binding) })
}

// Confirm adds a binding from the API server's response to a write of its status.
func (c *ClaimCache) Confirm(binding *signetv1alpha1.SignatureBinding) {
	c.change(binding.Namespace, func(cache *NamespaceCache) Change { return cache.Confirm(binding) })
}

// Delete removes a binding that has been deleted.
func (c *ClaimCache) Delete(binding *signetv1alpha1.SignatureBinding) {
	c.change(binding.Namespace, func(cache *NamespaceCache) Change { return cache.Delete(binding) })
	c.dropEmpty(binding.Namespace)
}

// ObserveKey records whether the key is being deleted; nil if none has the name.
func (c *ClaimCache) ObserveKey(namespace, name string, key *signetv1alpha1.SignatureKey) {
	c.change(namespace, func(cache *NamespaceCache) Change { return cache.ObserveKey(name, key) })
	if key == nil {
		c.dropEmpty(namespace)
	}
}

// dropEmpty drops the cache of a namespace in which nothing is left, so that one that
// has gone costs nothing. A new one begins as it did: the term's list covers all
// namespaces. With a list for each, it stays until the namespace is forgotten.
func (c *ClaimCache) dropEmpty(namespace string) {
	c.dropping.Lock()
	defer c.dropping.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := c.entries[namespace]; entry != nil && c.primed && entry.isIdle() {
		delete(c.entries, namespace)
	}
}

// isIdle reports whether nothing is known about the namespace and nobody is at a gate.
func (e *namespaceEntry) isIdle() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.keys) == 0 && e.cache.isEmpty()
}

// change changes the cache of a namespace, which is not dropped meanwhile.
func (c *ClaimCache) change(namespace string, do func(*NamespaceCache) Change) {
	for {
		entry := c.entry(namespace)
		c.dropping.RLock()
		if c.entry(namespace) == entry {
			change := do(entry.cache)
			c.dropping.RUnlock()
			c.notify(namespace, change)
			return
		}
		c.dropping.RUnlock()
	}
}

// WakeKey tells the subscribers that the key must be reconciled.
func (c *ClaimCache) WakeKey(namespace, key string) {
	c.notify(namespace, Change{Keys: []string{key}})
}

func (c *ClaimCache) notify(namespace string, change Change) {
	if len(change.Bindings) == 0 && len(change.Keys) == 0 {
		return
	}
	c.mu.Lock()
	subscribers := c.subscribers
	c.mu.Unlock()
	for _, changed := range subscribers {
		changed(namespace, change)
	}
}

// Preview returns the positions that a binding would have in the slots that it lists.
func (c *ClaimCache) Preview(binding *signetv1alpha1.SignatureBinding) []Evaluation {
	return c.Namespace(binding.Namespace).Preview(binding)
}

// Prime adds a binding that the leader's own list has shown.
func (c *ClaimCache) Prime(binding *signetv1alpha1.SignatureBinding) {
	c.change(binding.Namespace, func(cache *NamespaceCache) Change {
		cache.Prime(binding)
		return Change{}
	})
}

// BeginList precedes the leader's own list of all namespaces.
func (c *ClaimCache) BeginList() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listing = true
	for _, entry := range c.entries {
		entry.cache.BeginList()
	}
}

// MarkPrimed records that the leader's own list of all namespaces, which has this
// resourceVersion, is complete.
func (c *ClaimCache) MarkPrimed(listVersion string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listing, c.primed, c.listVersion = false, true, listVersion
	for _, entry := range c.entries {
		entry.cache.MarkPrimed(listVersion)
	}
}

// Forget drops the cache of a namespace that is no longer served. A new one is filled
// as in a new term, which is safe whatever the writes in flight become.
func (c *ClaimCache) Forget(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, namespace)
}

// Namespaces returns the namespaces that have a cache.
func (c *ClaimCache) Namespaces() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.entries))
}

func (c *ClaimCache) entry(namespace string) *namespaceEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entries[namespace]
	if entry == nil {
		entry = &namespaceEntry{cache: NewNamespaceCache(namespace), keys: map[string]*gate{}}
		if c.listing {
			entry.cache.BeginList()
		}
		if c.primed {
			entry.cache.MarkPrimed(c.listVersion)
		}
		c.entries[namespace] = entry
	}
	return entry
}
