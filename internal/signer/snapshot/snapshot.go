// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"time"

	"github.com/cilium/statedb/part"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/slots"
)

// Snapshot is the state at one time. It is immutable. The next snapshot shares all
// but a few nodes of each tree with it, so that a change costs the same in a small
// snapshot as in one of 100,000 slots.
type Snapshot struct {
	slots part.Tree[[]claimant]
	keys  part.Tree[*keyState]
	// secrets is the number of managed Secrets.
	secrets int
	// served has the namespaces whose objects are all in the snapshot; nil stands for
	// all namespaces.
	served   map[string]bool
	complete bool
	changed  time.Time
}

// Grant is the result of a lookup: the policy of the binding that holds the slot, and
// the material of its key.
type Grant struct {
	Policy
	// Binding and Key are the names of the objects, for logs.
	Binding, Key string

	set *set
	// previous is the material of the keys before the latest moves.
	previous []previousSet
}

// previousSet is material that is accepted until the given time.
type previousSet struct {
	set   *set
	until time.Time
}

// SigningKey returns the active version (invariant 8).
func (g Grant) SigningKey() (*signature.Key, error) { return g.set.active, nil }

// Accepted returns the versions that verify at the given time: those that the Secret
// lists for backends (invariant 9), and for a minute after a move those of the
// previous key.
func (g Grant) Accepted(at time.Time) []*signature.Key {
	keys := g.set.accepted(make([]*signature.Key, 0, 4), at)
	for _, previous := range g.previous {
		if at.Before(previous.until) {
			keys = previous.set.accepted(keys, at)
		}
	}
	return keys
}

// Lookup returns the policy and the material of a slot at the given time. The error
// is an *UnusableError.
func (s *Snapshot) Lookup(slot slots.Slot, now time.Time) (Grant, error) {
	refuse := func(reason Reason, detail string) (Grant, error) {
		return Grant{}, &UnusableError{Slot: slot, Reason: reason, Detail: detail}
	}
	if !s.complete {
		return refuse(ReasonIncomplete, "")
	}
	if s.served != nil && !s.served[slot.Namespace] {
		return refuse(ReasonNotServed, "")
	}
	var buffer keyBuffer
	claimants, _ := s.slots.Get(slotKey(buffer[:0], slot))
	held, reason, detail := holder(claimants)
	if reason != "" {
		return refuse(reason, detail)
	}
	usable, reason := s.material(objectName{slot.Namespace, held.key}, now)
	if reason != "" {
		return refuse(reason, "SignatureBinding "+held.name+", SignatureKey "+held.key)
	}
	grant := Grant{Policy: held.policy, Binding: held.name, Key: held.key, set: usable}
	for _, previous := range held.previous {
		if accepted, _ := s.material(objectName{slot.Namespace, previous.name}, now); accepted != nil {
			grant.previous = append(grant.previous, previousSet{set: accepted, until: previous.until})
		}
	}
	return grant, nil
}

// holder returns the one binding that holds a slot, or the reason why there is none. If
// there are several, it returns none: the wrong choice would sign with another key.
func holder(claimants []claimant) (held *binding, reason Reason, detail string) {
	reason = ReasonNoBinding
	for _, c := range claimants {
		switch {
		case c.claim.held && held != nil:
			return nil, ReasonContested, held.name + " and " + c.binding.name
		case c.claim.held:
			held = c.binding
		case c.claim.conflicted:
			reason = ReasonConflicted
		case reason != ReasonConflicted:
			reason = ReasonNotBound
		}
	}
	if held != nil {
		return held, "", ""
	}
	return nil, reason, ""
}

// material returns the usable material of a key, or the reason why there is none.
func (s *Snapshot) material(name objectName, now time.Time) (*set, Reason) {
	var buffer keyBuffer
	named, exists := s.keys.Get(name.appendKey(buffer[:0]))
	if !exists {
		return nil, ReasonNoKey
	}
	managed := named.managed
	if managed == nil {
		return nil, ReasonSecretMissing
	}
	byRecord := named.uid != ""
	if byRecord {
		if managed = managed.withUID(named.uid); managed == nil {
			return nil, ReasonSecretReplaced
		}
	}
	usable := managed.usable(now)
	switch {
	case usable == nil:
		return nil, managed.problem
	case !byRecord && managed.owner != name.name:
		return nil, ReasonSecretNotOwned
	case usable.keyType != named.keyType || usable.algorithm != named.algorithm:
		return nil, ReasonSecretMismatch
	}
	return usable, ""
}

// Complete reports whether the snapshot contains everything that existed when the
// signer started.
func (s *Snapshot) Complete() bool { return s.complete }

// Changed returns when the snapshot was created. It is zero for the first one.
func (s *Snapshot) Changed() time.Time { return s.changed }

// Slots returns the number of slots that bindings claim.
func (s *Snapshot) Slots() int { return s.slots.Len() }

// Secrets returns the number of managed Secrets.
func (s *Snapshot) Secrets() int { return s.secrets }
