// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"slices"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Change is what a newer version of an object has changed for others.
type Change struct {
	// Bindings are the other bindings that must be reconciled.
	Bindings []string
	// Keys are those that must be reconciled: their use has changed.
	Keys []string
}

// slotChange is a slot that a change may concern, as it was before.
type slotChange struct {
	slot   *slotClaims
	before outcome
}

// replace puts the next state of a binding in the place of the previous one; either
// may be nil. It returns what that changes for others: nothing before the list of this
// term is complete, because until then nothing is decided.
func (c *NamespaceCache) replace(previous, next *entry) Change {
	changes := make([]slotChange, 0, 2*max(claimCount(previous), claimCount(next)))
	changes = appendSlots(changes, previous)
	changes = appendSlots(changes, next)
	if previous != nil {
		c.removeUses(previous)
		for i := range previous.claims {
			previous.claims[i].slot.remove(&previous.claims[i])
		}
	}
	if next != nil {
		c.addUses(next)
		for i := range next.claims {
			next.claims[i].slot.add(&next.claims[i])
		}
	}
	defer c.sweep(changes)
	if !c.primed {
		return Change{}
	}
	return Change{Bindings: c.concerned(changes, previous, next), Keys: changedKeys(previous, next)}
}

func claimCount(e *entry) int {
	if e == nil {
		return 0
	}
	return len(e.claims)
}

func appendSlots(changes []slotChange, e *entry) []slotChange {
	if e != nil {
		for i := range e.claims {
			changes = append(changes, slotChange{e.claims[i].slot, e.claims[i].slot.outcome()})
		}
	}
	return changes
}

// concerned returns the other bindings that the changes of the slots concern, each
// once: all claimants if another one is the holder, is next in line or holds the slot,
// or signs in another way; the holder if nothing blocks the slot any more.
func (c *NamespaceCache) concerned(changes []slotChange, previous, next *entry) []string {
	c.round++
	var names []string
	add := func(e *entry) {
		if e != previous && e != next && e.round != c.round {
			e.round = c.round
			names = append(names, e.binding.Name)
		}
	}
	signsDifferently := previous != nil && next != nil && previous.signs != next.signs
	for _, change := range changes {
		after := change.slot.outcome()
		unblocked := change.before.blocked && !after.blocked
		change.before.blocked = after.blocked
		switch {
		case change.before != after, signsDifferently && after.names(next.binding.Name):
			for claim := range change.slot.all() {
				add(claim.entry)
			}
		case unblocked:
			add(change.slot.holder.entry)
		}
	}
	return names
}

// names reports whether others act upon how the binding signs for the slot.
func (o outcome) names(binding string) bool {
	return o.holder == binding || o.nextInLine == binding || o.recorded == binding
}

// sweep removes the slots that no binding claims any more.
func (c *NamespaceCache) sweep(changes []slotChange) {
	for _, change := range changes {
		key := change.slot.key
		if change.slot.claim != nil || c.slots[key] != change.slot {
			continue
		}
		delete(c.slots, key)
		if c.environments[key.environment]--; c.environments[key.environment] == 0 {
			delete(c.environments, key.environment)
		}
	}
}

// keyUses is how a binding uses a key, as far as the key reports or acts upon it.
type keyUses struct{ names, records, holds, assumed bool }

// changedKeys returns the keys of which the binding is now another user, in order.
func changedKeys(previous, next *entry) []string {
	var keys []string
	for _, e := range []*entry{previous, next} {
		if e != nil {
			keys = append(keys, e.keys()...)
		}
	}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(key string) bool {
		return previous.usesOf(key) == next.usesOf(key)
	})
}

func (e *entry) usesOf(key string) keyUses {
	if e == nil {
		return keyUses{}
	}
	return keyUses{
		names: e.binding.Spec.KeyRef.Name == key, records: RecordsKey(e.binding, key),
		holds: HoldsWith(e.binding, key), assumed: e.assumes(key) || e.mayBeGranted(key),
	}
}

// assumes reports whether a write of unknown outcome uses the key.
func (e *entry) assumes(key string) bool {
	return slices.ContainsFunc(e.assumed, func(status *signetv1alpha1.SignatureBindingStatus) bool {
		return statusRecordsKey(status, key)
	})
}
