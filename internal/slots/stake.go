package slots

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// stake is what a binding has to do with a slot.
type stake struct {
	claims, holds bool
	// signs is how it signs for the slot, or would.
	signs manner
}

// stakesOf are the slots that a binding claims, or holds by its status; none
// for nil.
func stakesOf(binding *signetv1alpha1.SignatureBinding) map[Slot]stake {
	if binding == nil {
		return nil
	}
	signs, stakes := signing(binding), make(map[Slot]stake, len(binding.Spec.APIs))
	if binding.DeletionTimestamp.IsZero() {
		for _, api := range binding.Spec.APIs {
			stakes[Slot{Environment: binding.Spec.Environment, API: api}] = stake{claims: true, signs: signs}
		}
	}
	for _, slot := range HeldBy(binding) {
		stakes[slot] = stake{claims: stakes[slot].claims, holds: true, signs: signs}
	}
	return stakes
}

// unsettled are the slots of which other claimants may have to hear: those that
// the binding has come to claim or to hold, claims or holds no more, or signs
// for in another manner.
func unsettled(before, after map[Slot]stake) []Slot {
	var found []Slot
	for slot, was := range before {
		if after[slot] != was {
			found = append(found, slot)
		}
	}
	for slot, is := range after {
		if _, known := before[slot]; !known && is != (stake{}) {
			found = append(found, slot)
		}
	}
	return found
}
