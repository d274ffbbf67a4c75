// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Evaluation is the position of one binding, the evaluated one, in one slot.
type Evaluation struct {
	// Holder is the binding that gets the slot; empty if no binding may claim it.
	Holder string
	// Eligible is true if the evaluated binding may hold the slot.
	Eligible bool
	// Standby is true if the Holder is another binding that signs, or will sign, for
	// the slot as the evaluated one would, and so does the next in line.
	Standby bool
	// HolderStatus is the acknowledged status of the Holder for the slot if the
	// evaluated binding is on Standby; nil while the Holder does not hold it yet.
	HolderStatus *signetv1alpha1.APIStatus
	// NextInLine gets the slot after a Holder that signs as the evaluated binding
	// would, but signs differently itself; empty if there is none.
	NextInLine string
	// HeldSince is the time since when the evaluated binding holds the slot, as
	// acknowledged; zero if it does not.
	HeldSince time.Time
	// RecordedHolder is another binding that still holds the slot as acknowledged,
	// or may hold it, even if it is no longer the Holder; empty if there is none.
	RecordedHolder string
	// RecordedHolderAlike is true if the RecordedHolder signs as the evaluated
	// binding would.
	RecordedHolderAlike bool
	// Blocked is true if the evaluated binding is the Holder, and other bindings must
	// be written before it is granted the slot: one that still holds it, or may hold
	// it, and those that a late write of an earlier leader may still grant it.
	Blocked bool
	// Blocks is true if a late write of an earlier leader may still grant the
	// evaluated binding the slot, which keeps it from the Holder.
	Blocks bool
}

// Evaluate returns the position of the binding in each slot that it lists, in the
// order of spec.apis; nil if another version of the binding is known.
func (c *NamespaceCache) Evaluate(binding *signetv1alpha1.SignatureBinding) []Evaluation {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[binding.Name]
	if e == nil || e.binding != binding {
		return nil
	}
	evaluations := make([]Evaluation, len(e.binding.Spec.APIs))
	for i := range evaluations {
		evaluations[i] = e.claims[i].evaluate()
	}
	return evaluations
}

func (c *claim) evaluate() Evaluation {
	slot := c.slot
	recorded := slot.recordedBesides(c)
	evaluation := Evaluation{
		Holder: nameOf(slot.holder), Eligible: c.isClaimant(), HeldSince: c.boundAt(), RecordedHolder: nameOf(recorded),
	}
	if slot.holder != nil {
		isHolder := slot.holder.entry == c.entry
		evaluation.Blocked = isHolder && slot.isBlockedFor(c)
		evaluation.Blocks = !isHolder && c.isUnfenced() && slot.holder.boundAt().IsZero()
	}
	if !evaluation.Eligible {
		return evaluation
	}
	evaluation.RecordedHolderAlike = recorded != nil && recorded.entry.signs == c.entry.wants
	evaluation.Standby, evaluation.NextInLine = standsBy(c.position())
	if evaluation.Standby && recorded != nil && recorded.entry == slot.holder.entry {
		evaluation.HolderStatus = recorded.apiStatus
	}
	return evaluation
}

// Preview returns the positions that a binding would have if it were in the cache, in
// the order of spec.apis: it is admitted, and other claimants are as they are.
func (c *NamespaceCache) Preview(binding *signetv1alpha1.SignatureBinding) []Evaluation {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &entry{binding: binding, fenced: true, ineligible: c.isIneligible(binding)}
	e.signs, e.wants = effectiveOptions(binding), optionsWith(binding, binding.Spec.KeyRef.Name)
	held := assumedHolds([]*signetv1alpha1.SignatureBindingStatus{&binding.Status})
	evaluations := make([]Evaluation, len(binding.Spec.APIs))
	// What one slot needs is used again for the next: a binding may list a thousand.
	var preview slotClaims
	var others [2]claim
	var own claim
	for i, api := range binding.Spec.APIs {
		key := listedSlot(binding, api).key()
		preview = slotClaims{}
		if slot := c.slots[key]; slot != nil {
			for n, other := range [...]*claim{slot.holder, slot.nextInLine} {
				if other != nil && other.entry.binding.Name != binding.Name {
					others[n] = claim{entry: other.entry, listed: true, apiStatus: other.apiStatus, assumed: other.assumed}
					preview.add(&others[n])
				}
			}
		}
		own = claim{entry: e, listed: true, apiStatus: held[key]}
		preview.add(&own)
		evaluations[i] = own.evaluate()
	}
	return evaluations
}

// position describes the two claims before this one.
func (c *claim) position() (holder, nextInLine contender) {
	describe := func(other *claim) contender {
		if other == nil {
			return contender{}
		}
		return contender{name: nameOf(other), self: other.entry == c.entry, alike: other.entry.signs == c.entry.wants}
	}
	return describe(c.slot.holder), describe(c.slot.nextInLine)
}

// Blockers returns the other bindings that must be written before this one is granted
// the slots that it lists and gets, each once.
func (c *NamespaceCache) Blockers(name string) []string {
	return c.others(name, func(own, other *claim) bool {
		return own.boundAt().IsZero() && (other.mayHold() || other.isUnfenced())
	})
}

// Rivals returns the other claimants of the slots that the binding gets, each once.
func (c *NamespaceCache) Rivals(name string) []string {
	return c.others(name, func(_, _ *claim) bool { return true })
}

// others returns the other claimants of the slots that the binding gets, if they are
// selected.
func (c *NamespaceCache) others(name string, selected func(own, other *claim) bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[name]
	if e == nil {
		return nil
	}
	c.round++
	var names []string
	for i := range e.claims {
		own := &e.claims[i]
		if own.slot.holder == nil || own.slot.holder.entry != e {
			continue
		}
		for other := range own.slot.all() {
			if other.entry != e && other.entry.round != c.round && selected(own, other) {
				other.entry.round = c.round
				names = append(names, nameOf(other))
			}
		}
	}
	return names
}
