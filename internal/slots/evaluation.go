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
	// even if it is no longer the Holder; empty if there is none.
	RecordedHolder string
	// RecordedHolderAlike is true if the RecordedHolder signs as the evaluated
	// binding would.
	RecordedHolderAlike bool
	// Blockers are the bindings whose status must be written before the slot may be
	// granted to the Holder: a binding that still holds it, claimants whose status
	// does not record yet that they lost it, and bindings that another writer wrote
	// last, whose late write must be made to fail.
	Blockers []string
}

// Evaluate returns the position of the binding in the slot. isEligible reports
// whether a binding may hold slots at all; it is called for bindings without a
// deletionTimestamp only.
func (c *NamespaceCache) Evaluate(name string, slot Slot, isEligible func(*signetv1alpha1.SignatureBinding) bool) Evaluation {
	c.mu.Lock()
	defer c.mu.Unlock()
	var (
		evaluation Evaluation
		evaluated  *signetv1alpha1.SignatureBinding
		recorded   claim
		candidates = make([]Candidate, 0, len(c.claims[slot]))
	)
	for _, claim := range c.claims[slot] {
		binding := claim.entry.binding
		claiming := claim.listed && binding.DeletionTimestamp.IsZero() && isEligible(binding)
		if claiming {
			candidates = append(candidates, claim.candidate())
		}
		if binding.Name == name {
			evaluated, evaluation.HeldSince, evaluation.Eligible = binding, claim.boundAt(), claiming
			continue
		}
		if claim.mayHold() {
			evaluation.RecordedHolder, recorded = binding.Name, claim
		}
		if claim.blocks(claiming) {
			evaluation.Blockers = append(evaluation.Blockers, binding.Name)
		}
	}
	evaluation.Holder = Holder(candidates)
	if !evaluation.Eligible {
		return evaluation
	}
	signsAlike := func(name string) bool { return SignsAlike(c.entries[name].binding, evaluated) }
	evaluation.RecordedHolderAlike = evaluation.RecordedHolder != "" && signsAlike(evaluation.RecordedHolder)
	evaluation.Standby, evaluation.NextInLine = IsStandby(candidates, name, signsAlike)
	if evaluation.Standby && evaluation.RecordedHolder == evaluation.Holder {
		evaluation.HolderStatus = recorded.apiStatus
	}
	return evaluation
}
