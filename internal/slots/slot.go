// SPDX-License-Identifier: Apache-2.0

package slots

import (
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Slot is one API in one environment of a namespace. At most one binding holds it
// at any time (invariant 1). The kind implies the group.
type Slot struct {
	Namespace   string
	Environment string
	Kind        signetv1alpha1.APIKind
	Name        string
}

// String returns the slot in the form that the signer's paths have:
// <namespace>/<environment>/<kind>/<name>.
func (s Slot) String() string {
	return s.Namespace + "/" + s.Environment + "/" + string(s.Kind) + "/" + s.Name
}

// API returns the API of the slot.
func (s Slot) API() signetv1alpha1.APIReference {
	return signetv1alpha1.NewAPIReference(s.Kind, s.Name)
}

// ListedBy returns the slots that the binding's spec lists, in that order.
func ListedBy(binding *signetv1alpha1.SignatureBinding) []Slot {
	listed := make([]Slot, 0, len(binding.Spec.APIs))
	for _, api := range binding.Spec.APIs {
		listed = append(listed, listedSlot(binding, api))
	}
	return listed
}

// HeldBy returns the slots that the binding holds by its status.
func HeldBy(binding *signetv1alpha1.SignatureBinding) []Slot {
	var held []Slot
	for i := range binding.Status.APIs {
		if apiStatus := &binding.Status.APIs[i]; apiStatus.BoundAt != nil {
			held = append(held, recordedSlot(binding.Namespace, &binding.Status, apiStatus))
		}
	}
	return held
}

// listedSlot returns the slot of an API that the spec lists.
func listedSlot(binding *signetv1alpha1.SignatureBinding, api signetv1alpha1.APIReference) Slot {
	return Slot{Namespace: binding.Namespace, Environment: binding.Spec.Environment, Kind: api.Kind, Name: api.Name}
}

// recordedSlot returns the slot that an entry of a status describes.
func recordedSlot(namespace string, status *signetv1alpha1.SignatureBindingStatus, apiStatus *signetv1alpha1.APIStatus) Slot {
	return Slot{
		Namespace: namespace, Environment: status.Environment,
		Kind: apiStatus.Kind, Name: apiStatus.Name,
	}
}
