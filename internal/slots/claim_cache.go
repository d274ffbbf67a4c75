package slots

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// ClaimCache holds a ledger for each namespace, and the lock under which decisions
// about the namespace are made and written, one at a time.
type ClaimCache struct {
	mu      sync.Mutex
	entries map[string]*namespaceEntry
	primed  bool
}

type namespaceEntry struct {
	decision sync.Mutex
	cache    *NamespaceCache
}

// NewClaimCache is an empty book.
func NewClaimCache() *ClaimCache {
	return &ClaimCache{entries: map[string]*namespaceEntry{}}
}

// Lock waits for the namespace's decisions to come to an end and returns its
// ledger. No other decision is made before unlock is called.
func (b *ClaimCache) Lock(namespace string) (ledger *NamespaceCache, unlock func()) {
	p := b.entry(namespace)
	p.decision.Lock()
	return p.cache, p.decision.Unlock
}

// Release waits as Lock does and notes that the key's finalizers are about to
// be taken away: the next binding of the key has to put them back first.
func (b *ClaimCache) Release(namespace, key string) (unlock func()) {
	ledger, unlock := b.Lock(namespace)
	ledger.SetProtected(key, "")
	return unlock
}

// NamespaceCache returns the namespace's ledger without a lock, for observations.
func (b *ClaimCache) Namespace(namespace string) *NamespaceCache {
	return b.entry(namespace).cache
}

// Update takes in a binding as a list or watch has shown it, and returns the
// slots whose other claimants have to look again.
func (b *ClaimCache) Update(binding *signetv1alpha1.SignatureBinding) []Slot {
	return b.Namespace(binding.Namespace).Update(binding)
}

// Prime takes in a binding as a list of its own has shown it.
func (b *ClaimCache) Prime(binding *signetv1alpha1.SignatureBinding) {
	b.Namespace(binding.Namespace).Prime(binding)
}

// Primed says that the lists are through: from now on deletions need not be
// remembered for Seed.
func (b *ClaimCache) Primed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.primed = true
	for _, p := range b.entries {
		p.cache.Primed()
	}
}

// Namespaces are those of which anything is known.
func (b *ClaimCache) Namespaces() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.entries))
}

func (b *ClaimCache) entry(namespace string) *namespaceEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.entries[namespace]
	if p == nil {
		p = &namespaceEntry{cache: NewNamespaceCache()}
		if b.primed {
			p.cache.Primed()
		}
		b.entries[namespace] = p
	}
	return p
}

// IsProtected says that the key and its Secret are known to carry our finalizer. A key
// that was made again under the name of another is another.
func (l *NamespaceCache) IsProtected(key string, uid types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uid != "" && l.protected[key] == uid
}

// SetProtected notes that the key of that UID and its Secret carry our finalizer; with
// an empty one, that they are about to lose it.
func (l *NamespaceCache) SetProtected(key string, uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if uid == "" {
		delete(l.protected, key)
		return
	}
	l.protected[key] = uid
}
