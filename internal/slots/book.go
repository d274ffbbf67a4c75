package slots

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Book holds a ledger for each namespace, and the lock under which decisions
// about the namespace are made and written, one at a time.
type Book struct {
	mu     sync.Mutex
	pages  map[string]*page
	seeded bool
}

type page struct {
	decision sync.Mutex
	ledger   *Ledger
}

// NewBook is an empty book.
func NewBook() *Book {
	return &Book{pages: map[string]*page{}}
}

// Lock waits for the namespace's decisions to come to an end and returns its
// ledger. No other decision is made before unlock is called.
func (b *Book) Lock(namespace string) (ledger *Ledger, unlock func()) {
	p := b.page(namespace)
	p.decision.Lock()
	return p.ledger, p.decision.Unlock
}

// Release waits as Lock does and notes that the key's finalizers are about to
// be taken away: the next binding of the key has to put them back first.
func (b *Book) Release(namespace, key string) (unlock func()) {
	ledger, unlock := b.Lock(namespace)
	ledger.SetHeld(key, "")
	return unlock
}

// Ledger returns the namespace's ledger without a lock, for observations.
func (b *Book) Ledger(namespace string) *Ledger {
	return b.page(namespace).ledger
}

// Observe takes in a binding as a list or watch has shown it, and returns the
// slots whose other claimants have to look again.
func (b *Book) Observe(binding *signetv1alpha1.SignatureBinding) []Slot {
	return b.Ledger(binding.Namespace).Observe(binding)
}

// Seed takes in a binding as a list of its own has shown it.
func (b *Book) Seed(binding *signetv1alpha1.SignatureBinding) {
	b.Ledger(binding.Namespace).Seed(binding)
}

// Seeded says that the lists are through: from now on deletions need not be
// remembered for Seed.
func (b *Book) Seeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seeded = true
	for _, p := range b.pages {
		p.ledger.Seeded()
	}
}

// Namespaces are those of which anything is known.
func (b *Book) Namespaces() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.pages))
}

func (b *Book) page(namespace string) *page {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[namespace]
	if p == nil {
		p = &page{ledger: NewLedger()}
		if b.seeded {
			p.ledger.Seeded()
		}
		b.pages[namespace] = p
	}
	return p
}

// Held says that the key and its Secret are known to carry our finalizer. A key
// that was made again under the name of another is another.
func (l *Ledger) Held(key string, uid types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uid != "" && l.held[key] == uid
}

// SetHeld notes that the key of that UID and its Secret carry our finalizer; with
// an empty one, that they are about to lose it.
func (l *Ledger) SetHeld(key string, uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if uid == "" {
		delete(l.held, key)
		return
	}
	l.held[key] = uid
}
