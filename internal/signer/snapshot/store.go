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
)

// Store creates a new snapshot for each object that is added, changed or removed, in
// any order. It is safe for concurrent use, and readers never wait.
type Store struct {
	current atomic.Pointer[Snapshot]

	writing sync.Mutex
	// bindings and secrets have what snapshots refer to, and users the names of the keys
	// that name a Secret.
	bindings map[objectName]*binding
	secrets  map[objectName]*secret
	users    map[objectName]map[string]struct{}
	// vanished are the Secrets whose material is only usable for Grace.
	vanished map[objectName]struct{}
}

// New returns an empty store.
func New() *Store {
	s := &Store{
		bindings: map[objectName]*binding{}, secrets: map[objectName]*secret{},
		users: map[objectName]map[string]struct{}{}, vanished: map[objectName]struct{}{},
	}
	// No caller waits for changes of single nodes.
	s.current.Store(&Snapshot{
		slots: part.New[[]claimant](part.RootOnlyWatch),
		keys:  part.New[*keyState](part.RootOnlyWatch),
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
		before := s.bindings[name]
		if converted.equal(before) {
			return false // most writes of a status concern only its conditions
		}
		next.claim(name, before, converted)
		s.bindings[name] = converted
		return true
	})
}

// RemoveBinding removes a binding.
func (s *Store) RemoveBinding(namespace, name string, now time.Time) {
	removed := objectName{namespace, name}
	s.change(now, func(next *Snapshot) bool {
		before, exists := s.bindings[removed]
		next.claim(removed, before, nil)
		delete(s.bindings, removed)
		return exists
	})
}

// claim applies the claims of a changed binding to the slots.
func (s *Snapshot) claim(name objectName, before, after *binding) {
	txn := s.slots.Txn()
	for slot, c := range claimsBySlot(before, after, name.namespace) {
		key := slotKey(nil, slot)
		claimants, _ := txn.Get(key)
		if claimants = withClaim(claimants, name.name, after, c); len(claimants) > 0 {
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
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) bool {
		before, exists := next.keys.Get(name.appendKey(nil))
		if exists && before.key == converted {
			return false
		}
		if exists {
			s.forgetUser(name, before.secret)
		}
		named := objectName{name.namespace, converted.secret}
		if s.users[named] == nil {
			s.users[named] = map[string]struct{}{}
		}
		s.users[named][name.name] = struct{}{}
		_, _, next.keys = next.keys.Insert(name.appendKey(nil), &keyState{key: converted, managed: s.secrets[named]})
		return true
	})
}

// RemoveKey removes a key.
func (s *Store) RemoveKey(namespace, name string, now time.Time) {
	removed := objectName{namespace, name}
	s.change(now, func(next *Snapshot) (exists bool) {
		var before *keyState
		before, exists, next.keys = next.keys.Delete(removed.appendKey(nil))
		if exists {
			s.forgetUser(removed, before.secret)
		}
		return exists
	})
}

// forgetUser records that a key no longer names the Secret.
func (s *Store) forgetUser(key objectName, secret string) {
	named := objectName{key.namespace, secret}
	delete(s.users[named], key.name)
	if len(s.users[named]) == 0 {
		delete(s.users, named)
	}
}

// SetSecret adds or replaces a managed Secret.
func (s *Store) SetSecret(object *corev1.Secret, now time.Time) {
	name := objectName{object.Namespace, object.Name}
	s.change(now, func(next *Snapshot) bool {
		s.storeSecret(next, name, newSecret(object, s.secrets[name], now))
		return true
	})
}

// RemoveSecret records that a managed Secret has vanished. Its material stays usable
// for Grace.
func (s *Store) RemoveSecret(namespace, name string, now time.Time) {
	removed := objectName{namespace, name}
	s.change(now, func(next *Snapshot) bool {
		before, exists := s.secrets[removed]
		if exists {
			s.storeSecret(next, removed, before.vanished(now))
		}
		return exists
	})
}

// storeSecret replaces a Secret, or removes it if it is nil.
func (s *Store) storeSecret(next *Snapshot, name objectName, managed *secret) {
	delete(s.vanished, name)
	if managed == nil {
		delete(s.secrets, name)
	} else {
		s.secrets[name] = managed
		if !managed.since.IsZero() || managed.previous != nil {
			s.vanished[name] = struct{}{}
		}
	}
	next.secrets = len(s.secrets)
	for user := range s.users[name] {
		key := objectName{name.namespace, user}.appendKey(nil)
		before, _ := next.keys.Get(key)
		_, _, next.keys = next.keys.Insert(key, &keyState{key: before.key, managed: managed})
	}
}

// Expire drops the material of Secrets that vanished longer than Grace ago. Lookups do
// not depend on it: it only removes unusable material from memory.
func (s *Store) Expire(now time.Time) {
	s.change(now, func(next *Snapshot) (expired bool) {
		for name := range s.vanished {
			managed := s.secrets[name]
			left := managed.expired(now)
			if left == managed {
				continue
			}
			expired = true
			s.storeSecret(next, name, left)
		}
		return expired
	})
}
