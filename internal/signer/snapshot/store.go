// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/statedb/part"
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
	// Nobody waits for changes of single nodes.
	s.current.Store(&Snapshot{
		slots:    part.New[[]claimant](part.RootOnlyWatch),
		bindings: part.New[*binding](part.RootOnlyWatch),
		keys:     part.New[*key](part.RootOnlyWatch),
		secrets:  part.New[*secret](part.RootOnlyWatch),
	})
	return s
}

// Snapshot is the newest snapshot.
func (s *Store) Snapshot() *Snapshot { return s.current.Load() }

// change puts another snapshot into force, unless how has changed nothing.
func (s *Store) change(now time.Time, how func(*Snapshot) (changed bool)) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := *s.current.Load()
	if how(&next) {
		next.changed = now
		s.current.Store(&next)
	}
}

// Complete says that all that there was at the beginning has come.
func (s *Store) Complete(now time.Time) {
	s.change(now, func(next *Snapshot) bool {
		was := next.complete
		next.complete = true
		return !was
	})
}

// SetBinding takes in a binding that is new or has changed.
func (s *Store) SetBinding(object *signetv1alpha1.SignatureBinding, now time.Time) {
	read := newBinding(object)
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) bool {
		var before *binding
		before, _, next.bindings = next.bindings.Insert(name.appendKey(nil), read)
		next.claim(name, changes(before, read, name.namespace))
		return true
	})
}

// RemoveBinding forgets a binding that is gone.
func (s *Store) RemoveBinding(namespace, name string, now time.Time) {
	gone := objectName{namespace, name}
	s.change(now, func(next *Snapshot) (there bool) {
		var before *binding
		before, there, next.bindings = next.bindings.Delete(gone.appendKey(nil))
		next.claim(gone, changes(before, nil, namespace))
		return there
	})
}

// claim puts the claims of a binding that have changed into the slots.
func (s *Snapshot) claim(name objectName, changed map[slots.Slot]*claim) {
	txn := s.slots.Txn()
	for slot, c := range changed {
		key := slotKey(nil, slot)
		claimants, _ := txn.Get(key)
		if claimants = claimed(claimants, name.name, c); len(claimants) > 0 {
			txn.Insert(key, claimants)
		} else {
			txn.Delete(key)
		}
	}
	s.slots = txn.CommitAndNotify()
}

// SetKey takes in a key that is new or has changed.
func (s *Store) SetKey(object *signetv1alpha1.SignatureKey, now time.Time) {
	read := newKey(object)
	name := objectName{object.Namespace, object.Name}.appendKey(nil)
	s.change(now, func(next *Snapshot) bool {
		if before, there := next.keys.Get(name); there && *before == *read {
			return false
		}
		_, _, next.keys = next.keys.Insert(name, read)
		return true
	})
}

// RemoveKey forgets a key that is gone.
func (s *Store) RemoveKey(namespace, name string, now time.Time) {
	s.change(now, func(next *Snapshot) (there bool) {
		_, there, next.keys = next.keys.Delete(objectName{namespace, name}.appendKey(nil))
		return there
	})
}

// SetSecret takes in a managed Secret that is new or has changed.
func (s *Store) SetSecret(object *corev1.Secret, now time.Time) {
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) bool {
		before, _ := next.secrets.Get(name.appendKey(nil))
		s.keep(next, name, newSecret(object, before, now))
		return true
	})
}

// RemoveSecret notes that a managed Secret is gone. It stays in force for Grace.
func (s *Store) RemoveSecret(namespace, name string, now time.Time) {
	gone := objectName{namespace, name}
	s.change(now, func(next *Snapshot) bool {
		before, there := next.secrets.Get(gone.appendKey(nil))
		if there {
			s.keep(next, gone, before.troubled(ReasonSecretMissing, now))
		}
		return there
	})
}

func (s *Store) keep(next *Snapshot, name objectName, held *secret) {
	delete(s.vanished, name)
	if !held.since.IsZero() {
		s.vanished[name] = struct{}{}
	}
	_, _, next.secrets = next.secrets.Insert(name.appendKey(nil), held)
}

// Expire forgets the material of Secrets that vanished longer than Grace ago.
// Lookups do not depend on it: it only keeps what nobody may use out of memory.
func (s *Store) Expire(now time.Time) {
	s.change(now, func(next *Snapshot) (expired bool) {
		for name := range s.vanished {
			key := name.appendKey(nil)
			held, _ := next.secrets.Get(key)
			if held.usable(now) != nil {
				continue
			}
			expired = true
			delete(s.vanished, name)
			if held.trouble == ReasonSecretMissing {
				_, _, next.secrets = next.secrets.Delete(key)
			} else {
				_, _, next.secrets = next.secrets.Insert(key, held.withoutMaterial())
			}
		}
		return expired
	})
}
