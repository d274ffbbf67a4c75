package slots

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// interest is what a binding has to do with a slot.
type interest struct {
	claims, holds bool
	// options is how it signs for the slot, or would.
	options signingOptions
}

// interestsOf are the slots that a binding claims, or holds by its status; none
// for nil.
func interestsOf(binding *signetv1alpha1.SignatureBinding) map[Slot]interest {
	if binding == nil {
		return nil
	}
	signs, stakes := effectiveOptions(binding), make(map[Slot]interest, len(binding.Spec.APIs))
	if binding.DeletionTimestamp.IsZero() {
		for _, api := range binding.Spec.APIs {
			stakes[Slot{Environment: binding.Spec.Environment, API: api}] = interest{claims: true, options: signs}
		}
	}
	for _, slot := range HeldBy(binding) {
		stakes[slot] = interest{claims: stakes[slot].claims, holds: true, options: signs}
	}
	return stakes
}

// unsettled are the slots of which other claimants may have to hear: those that
// the binding has come to claim or to hold, claims or holds no more, or signs
// for in another manner.
func unsettled(before, after map[Slot]interest) []Slot {
	var found []Slot
	for slot, was := range before {
		if after[slot] != was {
			found = append(found, slot)
		}
	}
	for slot, is := range after {
		if _, known := before[slot]; !known && is != (interest{}) {
			found = append(found, slot)
		}
	}
	return found
}
