package snapshot

import (
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// Store makes a new snapshot of each object that comes, changes or goes. The
// objects may come in any order: what one means for another is found out when a
// slot is looked up. It is safe for concurrent use, and readers never wait.
type Store struct {
	current atomic.Pointer[Snapshot]

	writing sync.Mutex
	// vanished are the Secrets that are in force for Grace only.
	vanished map[objectName]struct{}
}

// New makes a store that knows nothing yet.
func New() *Store {
	s := &Store{vanished: map[objectName]struct{}{}}
	s.current.Store(&Snapshot{
		slots:    newTree[slots.Slot, []claimant](),
		bindings: newTree[objectName, *binding](),
		keys:     newTree[objectName, *key](),
		secrets:  newTree[objectName, *secret](),
	})
	return s
}

// Snapshot is the newest snapshot.
func (s *Store) Snapshot() *Snapshot { return s.current.Load() }

// change puts another snapshot into force, unless it turns out to be the same.
func (s *Store) change(now time.Time, how func(*Snapshot)) {
	s.writing.Lock()
	defer s.writing.Unlock()
	before := s.current.Load()
	next := *before
	how(&next)
	if next.same(before) {
		return
	}
	next.changed = now
	s.current.Store(&next)
}

// Complete says that all that there was at the beginning has come.
func (s *Store) Complete(now time.Time) {
	s.change(now, func(next *Snapshot) { next.complete = true })
}

// SetBinding takes in a binding that is new or has changed.
func (s *Store) SetBinding(object *signetv1alpha1.SignatureBinding, now time.Time) {
	read := newBinding(object)
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) {
		before, _ := next.bindings.get(name)
		next.claim(name, changes(before, read, name.namespace))
		next.bindings = next.bindings.with(name, read)
	})
}

// RemoveBinding forgets a binding that is gone.
func (s *Store) RemoveBinding(namespace, name string, now time.Time) {
	gone := objectName{namespace, name}
	s.change(now, func(next *Snapshot) {
		before, _ := next.bindings.get(gone)
		next.claim(gone, changes(before, nil, namespace))
		next.bindings = next.bindings.without(gone)
	})
}

// claim puts the claims of a binding that have changed into the slots.
func (s *Snapshot) claim(name objectName, changed map[slots.Slot]*claim) {
	for slot, c := range changed {
		claimants, _ := s.slots.get(slot)
		if claimants = claimed(claimants, name.name, c); len(claimants) > 0 {
			s.slots = s.slots.with(slot, claimants)
		} else {
			s.slots = s.slots.without(slot)
		}
	}
}

// SetKey takes in a key that is new or has changed.
func (s *Store) SetKey(object *signetv1alpha1.SignatureKey, now time.Time) {
	read := newKey(object)
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) {
		if before, there := next.keys.get(name); !there || *before != *read {
			next.keys = next.keys.with(name, read)
		}
	})
}

// RemoveKey forgets a key that is gone.
func (s *Store) RemoveKey(namespace, name string, now time.Time) {
	s.change(now, func(next *Snapshot) { next.keys = next.keys.without(objectName{namespace, name}) })
}

// SetSecret takes in a managed Secret that is new or has changed.
func (s *Store) SetSecret(object *corev1.Secret, now time.Time) {
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) {
		before, _ := next.secrets.get(name)
		s.keep(next, name, newSecret(object, before, now))
	})
}

// RemoveSecret notes that a managed Secret is gone. It stays in force for Grace.
func (s *Store) RemoveSecret(namespace, name string, now time.Time) {
	gone := objectName{namespace, name}
	s.change(now, func(next *Snapshot) {
		if before, there := next.secrets.get(gone); there {
			s.keep(next, gone, before.troubled(ReasonSecretMissing, now))
		}
	})
}

func (s *Store) keep(next *Snapshot, name objectName, held *secret) {
	delete(s.vanished, name)
	if !held.since.IsZero() {
		s.vanished[name] = struct{}{}
	}
	next.secrets = next.secrets.with(name, held)
}

// Expire forgets the material of Secrets that vanished longer than Grace ago.
// Lookups do not depend on it: it only keeps what nobody may use out of memory.
func (s *Store) Expire(now time.Time) {
	s.change(now, func(next *Snapshot) {
		for name := range s.vanished {
			held, _ := next.secrets.get(name)
			if held.usable(now) != nil {
				continue
			}
			delete(s.vanished, name)
			if held.trouble == ReasonSecretMissing {
				next.secrets = next.secrets.without(name)
			} else {
				next.secrets = next.secrets.with(name, held.withoutMaterial())
			}
		}
	})
}
