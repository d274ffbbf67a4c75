// SPDX-License-Identifier: Apache-2.0

package slots

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// interest is what other claimants of a slot need to know about one binding.
type interest struct {
	claims, holds bool
	// options are how the binding signs for the slot, or would sign.
	options signingOptions
}

// interestsOf returns the slots that a binding claims, or holds by its status; none
// for nil.
func interestsOf(binding *signetv1alpha1.SignatureBinding) map[Slot]interest {
	if binding == nil {
		return nil
	}
	options, interests := effectiveOptions(binding), make(map[Slot]interest, len(binding.Spec.APIs))
	if binding.DeletionTimestamp.IsZero() {
		for _, slot := range ListedBy(binding) {
			interests[slot] = interest{claims: true, options: options}
		}
	}
	for _, slot := range HeldBy(binding) {
		interests[slot] = interest{claims: interests[slot].claims, holds: true, options: options}
	}
	return interests
}

// changedSlots returns the slots whose other claimants a change concerns: those
// that the binding has begun or ceased to claim or to hold, and those for which it
// now signs differently.
func changedSlots(before, after map[Slot]interest) []Slot {
	var changed []Slot
	for slot, was := range before {
		if after[slot] != was {
			changed = append(changed, slot)
		}
	}
	for slot, is := range after {
		if _, known := before[slot]; !known && is != (interest{}) {
			changed = append(changed, slot)
		}
	}
	return changed
}
