package slots

import (
	"slices"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Evaluation is how one binding stands to one of its slots.
type Evaluation struct {
	// Holder is the binding that the slot belongs to; empty if nobody may
	// claim it.
	Holder string
	// Eligible says that the binding asked about may hold the slot.
	Eligible bool
	// IsStandby says that the Holder is another binding that signs for the slot,
	// or will, as the one asked about wants, and that so does who comes next.
	Standby bool
	// HolderStatus is the acknowledged status of a Holder that covers the one asked
	// about; nil as long as it does not hold the slot.
	HolderStatus *signetv1alpha1.APIStatus
	// NextInLine comes next after a Holder that signs as the one asked about wants,
	// and does not; empty if there is none.
	NextInLine string
	// HeldSince is since when the binding asked about holds the slot, as
	// acknowledged; zero if it does not.
	HeldSince time.Time
	// RecordedHolder is another binding that still holds the slot as acknowledged,
	// though it may not be the Holder any more; empty if there is none.
	RecordedHolder string
	// RecordedHolderAlike says that it signs as the one asked about wants.
	RecordedHolderAlike bool
	// Blockers are the bindings whose status has to be written before the
	// slot may be given to the Holder: one that still holds it, claimants that
	// have not been told that they lost it, and bindings last written by
	// somebody else, whose late write must be made to fail.
	Blockers []string
}

// Evaluate says how the binding stands to the slot. Eligible says whether a
// binding may hold slots at all; it is asked about living bindings only.
func (l *NamespaceCache) Evaluate(name string, slot Slot, eligible func(*signetv1alpha1.SignatureBinding) bool) Evaluation {
	l.mu.Lock()
	defer l.mu.Unlock()
	var (
		verdict  Evaluation
		asking   *signetv1alpha1.SignatureBinding
		occupant claim
		claims   = make([]Candidate, 0, len(l.claims[slot]))
	)
	for _, c := range l.claims[slot] {
		binding := c.entry.binding
		claiming := c.listed && binding.DeletionTimestamp.IsZero() && eligible(binding)
		if claiming {
			claims = append(claims, c.candidate())
		}
		if binding.Name == name {
			asking, verdict.HeldSince, verdict.Eligible = binding, c.boundAt(), claiming
			continue
		}
		if c.holds() {
			verdict.RecordedHolder, occupant = binding.Name, c
		}
		if c.blocks(claiming) {
			verdict.Blockers = append(verdict.Blockers, binding.Name)
		}
	}
	verdict.Holder = Holder(claims)
	if !verdict.Eligible {
		return verdict
	}
	alike := func(name string) bool { return SignsAlike(l.entries[name].binding, asking) }
	verdict.RecordedHolderAlike = verdict.RecordedHolder != "" && alike(verdict.RecordedHolder)
	verdict.Standby, verdict.NextInLine = IsStandby(claims, name, alike)
	if verdict.Standby && verdict.RecordedHolder == verdict.Holder {
		verdict.HolderStatus = occupant.apiStatus
	}
	return verdict
}

// IsStandby says whether a claimant that does not hold the slot lacks nothing: the
// holder signs as it wants, and so does whoever comes next, be it itself. If only
// the one who comes next does not, that is the rival. Alike is asked about other
// claimants.
func IsStandby(claims []Candidate, claimant string, alike func(name string) bool) (covered bool, rival string) {
	holder := Holder(claims)
	if holder == "" || holder == claimant || !alike(holder) {
		return false, ""
	}
	next := Holder(slices.DeleteFunc(slices.Clone(claims), func(c Candidate) bool { return c.Name == holder }))
	if next != claimant && !alike(next) {
		return false, next
	}
	return true, ""
}

func (c claim) candidate() Candidate {
	return Candidate{
		Name:    c.entry.binding.Name,
		Created: c.entry.binding.CreationTimestamp.Time,
		BoundAt: c.boundAt(),
	}
}

func (c claim) boundAt() time.Time {
	if !c.holds() {
		return time.Time{}
	}
	return c.apiStatus.BoundAt.Time
}

// blocks says that the slot may not be given to another binding before this
// one has been written.
func (c claim) blocks(claiming bool) bool {
	if !c.entry.binding.DeletionTimestamp.IsZero() {
		return c.holds()
	}
	return c.holds() || !c.entry.fenced || (claiming && !c.lossRecorded)
}
