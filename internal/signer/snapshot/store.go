// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/statedb/part"
	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// Store creates a new snapshot for each object that is added, changed or removed, in
// any order. It is safe for concurrent use, and readers never wait.
type Store struct {
	current atomic.Pointer[Snapshot]

	writing sync.Mutex
	// vanished are the Secrets whose material is only usable for Grace.
	vanished map[objectName]struct{}
}

// New returns an empty store.
func New() *Store {
	s := &Store{vanished: map[objectName]struct{}{}}
	// No caller waits for changes of single nodes.
	s.current.Store(&Snapshot{
		slots:    part.New[[]claimant](part.RootOnlyWatch),
		bindings: part.New[*binding](part.RootOnlyWatch),
		keys:     part.New[*key](part.RootOnlyWatch),
		secrets:  part.New[*secret](part.RootOnlyWatch),
	})
	return s
}

// Snapshot returns the current snapshot.
func (s *Store) Snapshot() *Snapshot { return s.current.Load() }

// change replaces the snapshot, unless apply reports that nothing has changed.
func (s *Store) change(now time.Time, apply func(*Snapshot) (changed bool)) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := *s.current.Load()
	if apply(&next) {
		next.changed = now
		s.current.Store(&next)
	}
}

// Complete records that the store contains everything that existed when the signer
// started.
func (s *Store) Complete(now time.Time) {
	s.change(now, func(next *Snapshot) bool {
		was := next.complete
		next.complete = true
		return !was
	})
}

// Serve restricts the store to these namespaces, none of which is served yet. Without
// it, or if there are none, all are served.
func (s *Store) Serve(namespaces []string) {
	if len(namespaces) == 0 {
		return
	}
	s.change(time.Time{}, func(next *Snapshot) bool {
		next.served = make(map[string]bool, len(namespaces))
		return true
	})
}

// SetServed records whether the store contains everything of a namespace.
func (s *Store) SetServed(namespace string, served bool) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := *s.current.Load()
	next.served = maps.Clone(next.served)
	next.served[namespace] = served
	s.current.Store(&next)
}

// SetBinding adds or replaces a binding.
func (s *Store) SetBinding(object *signetv1alpha1.SignatureBinding, now time.Time) {
	converted := newBinding(object)
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) bool {
		var before *binding
		before, _, next.bindings = next.bindings.Insert(name.appendKey(nil), converted)
		next.claim(name, changedClaims(before, converted, name.namespace))
		return true
	})
}

// RemoveBinding removes a binding.
func (s *Store) RemoveBinding(namespace, name string, now time.Time) {
	removed := objectName{namespace, name}
	s.change(now, func(next *Snapshot) (exists bool) {
		var before *binding
		before, exists, next.bindings = next.bindings.Delete(removed.appendKey(nil))
		next.claim(removed, changedClaims(before, nil, namespace))
		return exists
	})
}

// claim applies changed claims of a binding to the slots.
func (s *Snapshot) claim(name objectName, changed map[slots.Slot]*claim) {
	txn := s.slots.Txn()
	for slot, c := range changed {
		key := slotKey(nil, slot)
		claimants, _ := txn.Get(key)
		if claimants = withClaim(claimants, name.name, c); len(claimants) > 0 {
			txn.Insert(key, claimants)
		} else {
			txn.Delete(key)
		}
	}
	s.slots = txn.CommitAndNotify()
}

// SetKey adds or replaces a key.
func (s *Store) SetKey(object *signetv1alpha1.SignatureKey, now time.Time) {
	converted := newKey(object)
	name := objectName{object.Namespace, object.Name}.appendKey(nil)
	s.change(now, func(next *Snapshot) bool {
		if before, exists := next.keys.Get(name); exists && *before == *converted {
			return false
		}
		_, _, next.keys = next.keys.Insert(name, converted)
		return true
	})
}

// RemoveKey removes a key.
func (s *Store) RemoveKey(namespace, name string, now time.Time) {
	s.change(now, func(next *Snapshot) (exists bool) {
		_, exists, next.keys = next.keys.Delete(objectName{namespace, name}.appendKey(nil))
		return exists
	})
}

// SetSecret adds or replaces a managed Secret.
func (s *Store) SetSecret(object *corev1.Secret, now time.Time) {
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) bool {
		before, _ := next.secrets.Get(name.appendKey(nil))
		s.storeSecret(next, name, newSecret(object, before, now))
		return true
	})
}

// RemoveSecret records that a managed Secret has vanished. Its material stays usable
// for Grace.
func (s *Store) RemoveSecret(namespace, name string, now time.Time) {
	removed := objectName{namespace, name}
	s.change(now, func(next *Snapshot) bool {
		before, exists := next.secrets.Get(removed.appendKey(nil))
		if exists {
			s.storeSecret(next, removed, before.vanished(now))
		}
		return exists
	})
}

func (s *Store) storeSecret(next *Snapshot, name objectName, managed *secret) {
	delete(s.vanished, name)
	if !managed.since.IsZero() || managed.previous != nil {
		s.vanished[name] = struct{}{}
	}
	_, _, next.secrets = next.secrets.Insert(name.appendKey(nil), managed)
}

// Expire drops the material of Secrets that vanished longer than Grace ago. Lookups do
// not depend on it: it only removes unusable material from memory.
func (s *Store) Expire(now time.Time) {
	s.change(now, func(next *Snapshot) (expired bool) {
		for name := range s.vanished {
			key := name.appendKey(nil)
			managed, _ := next.secrets.Get(key)
			left := managed.expired(now)
			if left == managed {
				continue
			}
			expired = true
			if left != nil {
				s.storeSecret(next, name, left)
				continue
			}
			delete(s.vanished, name)
			_, _, next.secrets = next.secrets.Delete(key)
		}
		return expired
	})
}
