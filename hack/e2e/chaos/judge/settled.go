// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// Unsettled returns what is not as it is to be when nothing has failed or changed for
// a while, in order.
func (j *Judge) Unsettled() []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(j.namespaces)) {
		n := j.namespaces[name]
		switch {
		case n.object == nil:
			found = append(found, n.leftovers()...)
		case !n.stays():
			found = append(found, "namespace "+name+" is being deleted")
		default:
			found = append(found, n.unsettled()...)
		}
	}
	return found
}

// Remains returns what is left of Signet's kinds, and namespaces that are still
// being deleted, in order.
func (j *Judge) Remains() []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(j.namespaces)) {
		n := j.namespaces[name]
		found = append(found, n.leftovers()...)
		if n.object != nil && !n.stays() {
			found = append(found, "namespace "+name+" is being deleted")
		}
	}
	return found
}

func (n *namespace) leftovers() []string {
	var found []string
	add := func(kind, name string) { found = append(found, fmt.Sprintf("%s %s/%s exists", kind, n.name, name)) }
	for name := range n.bindings {
		add("binding", name)
	}
	for name := range n.keys {
		add("key", name)
	}
	for name := range n.secrets {
		add("Secret", name)
	}
	for name, public := range n.publics {
		if public.Labels[signetv1alpha1.LabelKey] != "" {
			add("ConfigMap", name)
		}
	}
	slices.Sort(found)
	return found
}

func (n *namespace) unsettled() []string {
	found := n.unsettledSlots()
	for _, name := range slices.Sorted(maps.Keys(n.keys)) {
		if detail := n.unsettledKey(n.keys[name]); detail != "" {
			found = append(found, fmt.Sprintf("key %s/%s: %s", n.name, name, detail))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.secrets)) {
		if detail := n.unsettledSecret(n.secrets[name]); detail != "" {
			found = append(found, fmt.Sprintf("Secret %s/%s: %s", n.name, name, detail))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.bindings)) {
		if binding := n.bindings[name]; binding.Status.ObservedGeneration != binding.Generation {
			found = append(found, fmt.Sprintf("binding %s/%s: its status is about generation %d of %d",
				n.name, name, binding.Status.ObservedGeneration, binding.Generation))
		}
	}
	return found
}

// unsettledSlots returns the slots that are not held although the claimant that gets
// them has a usable key, and those that are held without being listed.
func (n *namespace) unsettledSlots() []string {
	var found []string
	candidates, held := map[slots.Slot][]slots.Candidate{}, map[slots.Slot]string{}
	for _, name := range slices.Sorted(maps.Keys(n.bindings)) {
		binding := n.bindings[name]
		for _, slot := range slots.HeldBy(binding) {
			held[slot] = name
			if !slices.Contains(slots.ListedBy(binding), slot) {
				found = append(found, fmt.Sprintf("slot %s: held by %s, which does not list it", slot, name))
			}
		}
		if key := n.keys[binding.Spec.KeyRef.Name]; key != nil && slots.CreatedAfterDeletion(binding, key) {
			continue
		}
		for _, slot := range slots.ListedBy(binding) {
			candidates[slot] = append(candidates[slot], slots.Candidate{Name: name, Created: binding.CreationTimestamp.Time})
		}
	}
	for slot, claimants := range candidates {
		first := slots.Holder(claimants)
		if held[slot] == "" && n.isUsable(n.bindings[first].Spec.KeyRef.Name) {
			found = append(found, fmt.Sprintf("slot %s: not held, although %s has a usable key", slot, first))
		}
	}
	slices.Sort(found)
	return found
}

// isUsable reports whether a key can sign for another binding.
func (n *namespace) isUsable(name string) bool {
	key := n.keys[name]
	return key != nil && key.Status.KeyID != "" && !slots.TerminatingUnprotected(key)
}

// unsettledKey reports a key that is terminating or protected without a user, or
// whose status is behind.
func (n *namespace) unsettledKey(key *signetv1alpha1.SignatureKey) string {
	secret := n.secrets[key.EffectiveTargetName()]
	kept := secret != nil && !secret.DeletionTimestamp.IsZero() && key.DeletionTimestamp.IsZero()
	used := slices.ContainsFunc(slices.Collect(maps.Values(n.bindings)), func(binding *signetv1alpha1.SignatureBinding) bool {
		return slots.UsesKey(binding, key)
	})
	reason := readyReason(key.Status.Conditions)
	switch {
	case !used && !key.DeletionTimestamp.IsZero():
		return "it is being deleted, and nothing uses it"
	case !used && !kept && isProtected(key):
		return "it is protected, and nothing uses it"
	case key.Status.ObservedGeneration != key.Generation:
		return fmt.Sprintf("its status is about generation %d of %d", key.Status.ObservedGeneration, key.Generation)
	case reason != signetv1alpha1.ReasonReady && !kept && key.DeletionTimestamp.IsZero():
		return "it is " + reason
	default:
		return ""
	}
}

// unsettledSecret reports a Secret that is protected without a protected key, or
// lacks its labels. What a key leaves that a user has released by force is kept for
// a restore.
func (n *namespace) unsettledSecret(secret *corev1.Secret) string {
	name := keyOf(secret)
	key := n.keys[name]
	switch {
	case key == nil && !isProtected(secret):
		return "" // retained, or being collected
	case n.killed[name] && (key == nil || !isProtected(key)):
		return "" // its next key adopts it with the finalizer
	case key == nil:
		return "it is protected without a key"
	case isProtected(secret) && !isProtected(key):
		return "it is protected, and its key is not"
	default:
		return ""
	}
}

// keyOf returns the name of the key that the Secret is for. The workload gives a
// Secret the name of its key, and takes labels away.
func keyOf(secret *corev1.Secret) string {
	return cmp.Or(secret.Labels[signetv1alpha1.LabelKey], secret.Name)
}

// Objects returns the keys and bindings that exist, and what remains of keys that is
// still protected.
func (j *Judge) Objects() []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(j.namespaces)) {
		n := j.namespaces[name]
		for _, binding := range slices.Sorted(maps.Keys(n.bindings)) {
			found = append(found, fmt.Sprintf("binding %s/%s exists", name, binding))
		}
		for _, key := range slices.Sorted(maps.Keys(n.keys)) {
			found = append(found, fmt.Sprintf("key %s/%s exists", name, key))
		}
		for _, secret := range slices.Sorted(maps.Keys(n.secrets)) {
			if isProtected(n.secrets[secret]) && !n.killed[secret] {
				found = append(found, fmt.Sprintf("Secret %s/%s is protected", name, secret))
			}
		}
	}
	return found
}
