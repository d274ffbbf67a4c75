package slots

import (
	"slices"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Verdict is how one binding stands to one of its slots.
type Verdict struct {
	// Holder is the binding that the slot belongs to; empty if nobody may
	// claim it.
	Holder string
	// Claiming says that the binding asked about may hold the slot.
	Claiming bool
	// Covered says that the Holder is another binding that signs for the slot,
	// or will, as the one asked about wants, and that so does who comes next.
	Covered bool
	// Standing is the acknowledged status of a Holder that covers the one asked
	// about; nil as long as it does not hold the slot.
	Standing *signetv1alpha1.APIStatus
	// Rival comes next after a Holder that signs as the one asked about wants,
	// and does not; empty if there is none.
	Rival string
	// Held is since when the binding asked about holds the slot, as
	// acknowledged; zero if it does not.
	Held time.Time
	// Occupant is another binding that still holds the slot as acknowledged,
	// though it may not be the Holder any more; empty if there is none.
	Occupant string
	// OccupantAlike says that it signs as the one asked about wants.
	OccupantAlike bool
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
		verdict  Verdict
		asking   *signetv1alpha1.SignatureBinding
		occupant claim
		claims   = make([]Claim, 0, len(l.claims[slot]))
	)
	for _, c := range l.claims[slot] {
		binding := c.entry.binding
		claiming := c.listed && binding.DeletionTimestamp.IsZero() && eligible(binding)
		if claiming {
			claims = append(claims, c.claim())
		}
		if binding.Name == name {
			asking, verdict.Held, verdict.Claiming = binding, c.boundAt(), claiming
			continue
		}
		if c.holds() {
			verdict.Occupant, occupant = binding.Name, c
		}
		if c.blocks(claiming) {
			verdict.Blockers = append(verdict.Blockers, binding.Name)
		}
	}
	verdict.Holder = Holder(claims)
	if !verdict.Claiming {
		return verdict
	}
	alike := func(name string) bool { return SignsFor(l.entries[name].binding, asking) }
	verdict.OccupantAlike = verdict.Occupant != "" && alike(verdict.Occupant)
	verdict.Covered, verdict.Rival = Covered(claims, name, alike)
	if verdict.Covered && verdict.Occupant == verdict.Holder {
		verdict.Standing = occupant.mark
	}
	return verdict
}

// Covered says whether a claimant that does not hold the slot lacks nothing: the
// holder signs as it wants, and so does whoever comes next, be it itself. If only
// the one who comes next does not, that is the rival. Alike is asked about other
// claimants.
func Covered(claims []Claim, claimant string, alike func(name string) bool) (covered bool, rival string) {
	holder := Holder(claims)
	if holder == "" || holder == claimant || !alike(holder) {
		return false, ""
	}
	next := Holder(slices.DeleteFunc(slices.Clone(claims), func(c Claim) bool { return c.Binding == holder }))
	if next != claimant && !alike(next) {
		return false, next
	}
	return true, ""
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
