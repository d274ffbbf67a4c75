// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"iter"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// slotKey identifies a slot within a namespace.
type slotKey struct {
	environment string
	kind        signetv1alpha1.APIKind
	name        string
}

func (s Slot) key() slotKey {
	return slotKey{environment: s.Environment, kind: s.Kind, name: s.Name}
}

// slotClaims are the claims of one slot, and what follows from them. It is kept with
// every change, so that a decision about a binding with many APIs does not look at
// all claimants of each.
type slotClaims struct {
	key   slotKey
	claim *claim // the first of a linked list
	// holder is the claimant that gets the slot, and nextInLine the one after it.
	holder, nextInLine *claim
	// recorded is one of the claims that hold the slot, or may hold it.
	recorded *claim
	// recordedCount is how many do: more than one only after a backup was restored, or
	// while the outcome of a write is unknown.
	recordedCount int32
	// unfenced is how many bindings a late write of an earlier leader may still grant
	// the slot.
	unfenced int32
}

// all returns the claims in no particular order.
func (s *slotClaims) all() iter.Seq[*claim] {
	return func(yield func(*claim) bool) {
		for c := s.claim; c != nil; c = c.next {
			if !yield(c) {
				return
			}
		}
	}
}

func (s *slotClaims) add(c *claim) {
	c.slot, c.previous, c.next = s, nil, s.claim
	if s.claim != nil {
		s.claim.previous = c
	}
	s.claim = c
	s.place(c)
	if c.mayHold() {
		s.recorded = c
		s.recordedCount++
	}
	if c.isUnfenced() {
		s.unfenced++
	}
}

// place makes the claim the holder or the next in line if it precedes the present one.
func (s *slotClaims) place(c *claim) {
	switch {
	case !c.isClaimant():
	case c.precedes(s.holder):
		s.holder, s.nextInLine = c, s.holder
	case c.precedes(s.nextInLine):
		s.nextInLine = c
	}
}

func (s *slotClaims) remove(c *claim) {
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		s.claim = c.next
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
	if c == s.holder || c == s.nextInLine {
		s.holder, s.nextInLine = nil, nil
		for other := range s.all() {
			s.place(other)
		}
	}
	if c.mayHold() {
		s.recorded = s.recordedBesides(c)
		s.recordedCount--
	}
	if c.isUnfenced() {
		s.unfenced--
	}
}

// recordedBesides returns a claim of another binding that holds the slot, or may hold
// it; nil if there is none. It looks at all claims only if several may hold the slot.
func (s *slotClaims) recordedBesides(c *claim) *claim {
	if s.recorded == nil || s.recorded.entry != c.entry {
		return s.recorded
	}
	if s.recordedCount > 1 {
		for other := range s.all() {
			if other.entry != c.entry && other.mayHold() {
				return other
			}
		}
	}
	return nil
}

// isBlockedFor reports whether other bindings must be written before the slot may be
// granted to this one.
func (s *slotClaims) isBlockedFor(c *claim) bool {
	others := s.unfenced
	if c.isUnfenced() {
		others--
	}
	return others > 0 || s.recordedBesides(c) != nil
}

// outcome is what the claimants of a slot report or act upon.
type outcome struct {
	holder, nextInLine, recorded string
	// acknowledged is true if what is recorded is not only assumed.
	acknowledged bool
	// blocked is true if the holder cannot be granted the slot yet.
	blocked bool
}

func (s *slotClaims) outcome() outcome {
	return outcome{
		holder: nameOf(s.holder), nextInLine: nameOf(s.nextInLine), recorded: nameOf(s.recorded),
		acknowledged: s.recorded != nil && !s.recorded.boundAt().IsZero(),
		blocked:      s.holder != nil && s.isBlockedFor(s.holder),
	}
}
