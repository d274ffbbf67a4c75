// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"time"

	"github.com/cilium/statedb/part"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/slots"
)

// Snapshot is what was known at one time. It never changes: the next one shares
// with it all but a few nodes of each tree, so that a change costs the same in a
// small snapshot as in one of 100,000 slots.
type Snapshot struct {
	slots    part.Tree[[]claimant]
	bindings part.Tree[*binding]
	keys     part.Tree[*key]
	secrets  part.Tree[*secret]
	complete bool
	changed  time.Time
}

// Grant is what a slot is signed with: the policy of the binding that holds it,
// and the material of its key.
type Grant struct {
	Policy
	// Binding and Key name the objects, for logs.
	Binding, Key string

	set *set
	// previous is the material of the keys before the latest moves.
	previous []previousSet
}

// previousSet is material that is accepted until that time.
type previousSet struct {
	set   *set
	until time.Time
}

// SigningKey is the active version (invariant 8).
func (g Grant) SigningKey() (*signature.Key, error) { return g.set.active, nil }

// Accepted are the versions that verify at that time: those that the Secret tells
// backends to accept (invariant 9), and for a minute after a move those of the
// key before.
func (g Grant) Accepted(at time.Time) []*signature.Key {
	keys := g.set.accepted(make([]*signature.Key, 0, 4), at)
	for _, previous := range g.previous {
		if at.Before(previous.until) {
			keys = previous.set.accepted(keys, at)
		}
	}
	return keys
}

// Lookup finds what a slot is signed with at that time. The error is an
// *UnusableError.
func (s *Snapshot) Lookup(slot slots.Slot, now time.Time) (Grant, error) {
	refuse := func(reason Reason, detail string) (Grant, error) {
		return Grant{}, &UnusableError{Slot: slot, Reason: reason, Detail: detail}
	}
	if !s.complete {
		return refuse(ReasonIncomplete, "")
	}
	var buffer keyBuffer
	claimants, _ := s.slots.Get(slotKey(buffer[:0], slot))
	name, reason := holder(claimants)
	if reason != "" {
		return refuse(reason, name)
	}
	held, _ := s.bindings.Get(objectName{slot.Namespace, name}.appendKey(buffer[:0]))
	usable, reason := s.material(objectName{slot.Namespace, held.key}, now)
	if reason != "" {
		return refuse(reason, "SignatureBinding "+name+", SignatureKey "+held.key)
	}
	grant := Grant{Policy: held.policy, Binding: name, Key: held.key, set: usable}
	for _, previous := range held.previous {
		if accepted, _ := s.material(objectName{slot.Namespace, previous.name}, now); accepted != nil {
			grant.previous = append(grant.previous, previousSet{set: accepted, until: previous.until})
		}
	}
	return grant, nil
}

// holder is the one binding that holds a slot. Of several none is right: to take
// the wrong one would sign with another's key.
func holder(claimants []claimant) (name string, reason Reason) {
	reason = ReasonNoBinding
	for _, c := range claimants {
		switch {
		case c.claim.held && name != "":
			return name + " and " + c.binding, ReasonContested
		case c.claim.held:
			name = c.binding
		case c.claim.conflicted:
			reason = ReasonConflicted
		case reason != ReasonConflicted:
			reason = ReasonNotBound
		}
	}
	if name != "" {
		return name, ""
	}
	return "", reason
}

// material is that of a key, if it can be used.
func (s *Snapshot) material(name objectName, now time.Time) (*set, Reason) {
	var buffer keyBuffer
	named, there := s.keys.Get(name.appendKey(buffer[:0]))
	if !there {
		return nil, ReasonNoKey
	}
	held, there := s.secrets.Get(objectName{name.namespace, named.secret}.appendKey(buffer[:0]))
	if !there {
		return nil, ReasonSecretMissing
	}
	usable := held.usable(now)
	switch {
	case usable == nil:
		return nil, held.trouble
	case held.owner != name.name:
		return nil, ReasonSecretForeign
	case usable.keyType != named.keyType || usable.algorithm != named.algorithm:
		return nil, ReasonSecretMismatch
	}
	return usable, ""
}

// Complete says whether all that there was at the beginning is in the snapshot.
func (s *Snapshot) Complete() bool { return s.complete }

// Changed is when the snapshot was made.
func (s *Snapshot) Changed() time.Time { return s.changed }

// Slots is the number of slots that bindings claim.
func (s *Snapshot) Slots() int { return s.slots.Len() }

// Secrets is the number of managed Secrets.
func (s *Snapshot) Secrets() int { return s.secrets.Len() }
