// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"maps"
	"slices"
	"sync"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// ClaimCache has a NamespaceCache for each namespace, and the lock under which the
// decisions about that namespace are made and written, one at a time.
type ClaimCache struct {
	mu      sync.Mutex
	entries map[string]*namespaceEntry
	primed  bool
}

type namespaceEntry struct {
	decision sync.Mutex
	cache    *NamespaceCache
}

// NewClaimCache returns an empty cache.
func NewClaimCache() *ClaimCache {
	return &ClaimCache{entries: map[string]*namespaceEntry{}}
}

// Lock waits until the current decision about the namespace ends and returns the
// namespace's cache. No other decision begins before unlock is called.
func (c *ClaimCache) Lock(namespace string) (cache *NamespaceCache, unlock func()) {
	entry := c.entry(namespace)
	entry.decision.Lock()
	return entry.cache, entry.decision.Unlock
}

// Release waits like Lock and sets the key's protection to Releasing until unlock
// is called: the caller may remove the finalizers in between. Afterwards the state
// is Unknown, so the next binding of the key protects it again.
func (c *ClaimCache) Release(namespace, key string) (unlock func()) {
	cache, unlockDecision := c.Lock(namespace)
	cache.SetProtection(key, "", ProtectionReleasing)
	return func() {
		cache.SetProtection(key, "", ProtectionUnknown)
		unlockDecision()
	}
}

// Namespace returns the namespace's cache without the lock, for observations.
func (c *ClaimCache) Namespace(namespace string) *NamespaceCache {
	return c.entry(namespace).cache
}

// Update adds a binding that a list or watch has shown, and returns the slots
// whose other claimants must be reconciled.
func (c *ClaimCache) Update(binding *signetv1alpha1.SignatureBinding) []Slot {
	return c.Namespace(binding.Namespace).Update(binding)
}

// Prime adds a binding that the leader's own list has shown.
func (c *ClaimCache) Prime(binding *signetv1alpha1.SignatureBinding) {
	c.Namespace(binding.Namespace).Prime(binding)
}

// MarkPrimed records that the leader's own lists are complete: deletions no longer
// have to be remembered for Prime.
func (c *ClaimCache) MarkPrimed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.primed = true
	for _, entry := range c.entries {
		entry.cache.MarkPrimed()
	}
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
		entry = &namespaceEntry{cache: NewNamespaceCache(namespace)}
		if c.primed {
			entry.cache.MarkPrimed()
		}
		c.entries[namespace] = entry
	}
	return entry
}
