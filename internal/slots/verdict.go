package slots

import (
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Verdict is how one binding stands to one of its slots.
type Verdict struct {
	// Holder is the binding that the slot belongs to; empty if nobody may
	// claim it.
	Holder string
	// Covered says that the Holder is another binding and signs for the slot,
	// or will, as the one asked about wants.
	Covered bool
	// Held is since when the binding asked about holds the slot, as
	// acknowledged; zero if it does not.
	Held time.Time
	// Occupant is another binding that still holds the slot as acknowledged,
	// though it may not be the Holder any more; empty if there is none.
	Occupant string
	// Blockers are the bindings whose status has to be written before the
	// slot may be given to the Holder: one that still holds it, claimants that
	// have not been told that they lost it, and bindings last written by
	// somebody else, whose late write must be made to fail.
	Blockers []string
}

// Judge says how the binding stands to the slot. Eligible says whether a
// binding may hold slots at all; it is asked about living bindings only.
func (l *Ledger) Judge(name string, slot Slot, eligible func(*signetv1alpha1.SignatureBinding) bool) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	var (
		verdict Verdict
		claims  = make([]Claim, 0, len(l.claims[slot]))
	)
	for _, c := range l.claims[slot] {
		binding := c.entry.binding
		claiming := c.listed && binding.DeletionTimestamp.IsZero() && eligible(binding)
		if claiming {
			claims = append(claims, c.claim())
		}
		if binding.Name == name {
			verdict.Held = c.boundAt()
			continue
		}
		if c.holds() {
			verdict.Occupant = binding.Name
		}
		if c.blocks(claiming) {
			verdict.Blockers = append(verdict.Blockers, binding.Name)
		}
	}
	verdict.Holder = Holder(claims)
	asking, holder := l.entries[name], l.entries[verdict.Holder]
	verdict.Covered = asking != nil && holder != nil && asking != holder && SignsFor(holder.binding, asking.binding)
	return verdict
}

func (c claim) claim() Claim {
	return Claim{
		Binding: c.entry.binding.Name,
		Created: c.entry.binding.CreationTimestamp.Time,
		BoundAt: c.boundAt(),
	}
}

func (c claim) boundAt() time.Time {
	if !c.holds() {
		return time.Time{}
	}
	return c.mark.BoundAt.Time
}

// blocks says that the slot may not be given to another binding before this
// one has been written.
func (c claim) blocks(claiming bool) bool {
	if !c.entry.binding.DeletionTimestamp.IsZero() {
		return c.holds()
	}
	return c.holds() || !c.entry.fenced || (claiming && !c.told)
}
