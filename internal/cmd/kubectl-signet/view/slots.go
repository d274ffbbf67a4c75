// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// Holds reports whether a binding holds an API according to its status. An API
// that is held while the key has lost its material is Pending.
func Holds(status *signetv1alpha1.APIStatus) bool {
	switch status.State {
	case signetv1alpha1.APIBound, signetv1alpha1.APINotPublished, signetv1alpha1.APIOffline:
		return true
	default:
		return status.BoundAt != nil
	}
}

// slotsOf returns the slots that the bindings claim, with holders according to
// their statuses.
func slotsOf(bindings []signetv1alpha1.SignatureBinding) []Slot {
	found := map[slots.Slot]*Slot{}
	for i := range bindings {
		binding := &bindings[i]
		for j := range binding.Status.APIs {
			api := &binding.Status.APIs[j]
			slot := slots.Slot{Namespace: binding.Namespace, Environment: environmentOf(binding), Kind: api.Kind, Name: api.Name}
			if found[slot] == nil {
				found[slot] = &Slot{
					Namespace: slot.Namespace, Environment: slot.Environment, API: APIName(slot.API()), State: string(api.State),
				}
			}
			found[slot].add(binding, api)
		}
	}
	sorted := make([]Slot, 0, len(found))
	for _, slot := range found {
		sorted = append(sorted, *slot)
	}
	slices.SortFunc(sorted, func(a, b Slot) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.API, b.API))
	})
	return sorted
}

func (s *Slot) add(binding *signetv1alpha1.SignatureBinding, status *signetv1alpha1.APIStatus) {
	if !Holds(status) {
		s.Waiting = append(s.Waiting, binding.Name)
		return
	}
	s.State, s.Holder, s.Key = string(status.State), binding.Name, EffectiveKey(binding)
}

// environmentOf returns the environment of the binding's status.
func environmentOf(binding *signetv1alpha1.SignatureBinding) string {
	return cmp.Or(binding.Status.Environment, binding.Spec.Environment)
}

// APIName formats an API as commands accept it: httproute/orders.
func APIName(api signetv1alpha1.APIReference) string {
	return strings.ToLower(string(api.Kind)) + "/" + api.Name
}
