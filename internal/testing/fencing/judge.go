// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

// judge checks the invariants after each change.
type judge struct {
	violations []string
	// unproven are the names of Secrets that an earlier leader has created late: nothing
	// outdates a create, and nothing proves to this leader where its bytes come from.
	unproven []string
}

func (j *judge) report(format string, args ...any) {
	j.violations = append(j.violations, fmt.Sprintf(format, args...))
}

// check looks at the store after a change of one object.
func (j *judge) check(s *store, before, after client.Object) {
	holders := map[slots.Slot]string{}
	for _, binding := range all[*signetv1alpha1.SignatureBinding](s.objects) {
		held := slots.HeldBy(binding)
		for _, slot := range held {
			if other := holders[slot]; other != "" {
				j.report("%s and %s hold %s", other, binding.Name, slot)
			}
			holders[slot] = binding.Name
		}
		if len(held) > 0 {
			j.checkProtection(s, binding)
		}
	}
	j.checkIncumbent(before, after)
}

func (j *judge) checkProtection(s *store, binding *signetv1alpha1.SignatureBinding) {
	key := get[*signetv1alpha1.SignatureKey](s.objects, binding.Status.KeyName)
	if key == nil || !signetv1alpha1.IsProtected(key) {
		j.report("%s holds an API with key %s, which is gone or unprotected", binding.Name, binding.Status.KeyName)
		return
	}
	secret := get[*corev1.Secret](s.objects, key.EffectiveTargetName())
	if secret == nil || !signetv1alpha1.IsProtected(secret) {
		j.report("%s holds an API with Secret %s, which is gone or unprotected", binding.Name, key.EffectiveTargetName())
		return
	}
	if key.Spec.Type != signetv1alpha1.KeyTypePublicKey {
		return
	}
	// Backends read the ConfigMap alone.
	public := get[*corev1.ConfigMap](s.objects, key.PublicConfigMapName())
	if public == nil || !signetv1alpha1.IsProtected(public) || !material.IsPublished(secret.Data, public.Data) {
		j.report("%s holds an API with the active version of Secret %s, which is not published or unprotected", binding.Name, secret.Name)
	}
}

// checkIncumbent checks that a binding that still claims a slot has not lost it.
func (j *judge) checkIncumbent(before, after client.Object) {
	was, _ := before.(*signetv1alpha1.SignatureBinding)
	is, _ := after.(*signetv1alpha1.SignatureBinding)
	if was == nil || is == nil || is.DeletionTimestamp != nil {
		return
	}
	for _, slot := range slots.HeldBy(was) {
		if slices.Contains(slots.ListedBy(was), slot) && !slices.Contains(slots.HeldBy(is), slot) {
			j.report("%s still claims %s and has lost it", is.Name, slot)
		}
	}
}

// checkRest checks what is left when nothing changes any more.
func (j *judge) checkRest(s *store) {
	held, claimants := map[slots.Slot]bool{}, map[slots.Slot][]slots.Candidate{}
	for _, binding := range all[*signetv1alpha1.SignatureBinding](s.objects) {
		for _, slot := range slots.HeldBy(binding) {
			held[slot] = true
		}
		if key := get[*signetv1alpha1.SignatureKey](s.objects, binding.Spec.KeyRef.Name); key != nil && slots.CreatedAfterDeletion(binding, key) {
			continue
		}
		for _, slot := range slots.ListedBy(binding) {
			claimants[slot] = append(claimants[slot], slots.Candidate{Name: binding.Name, Created: binding.CreationTimestamp.Time})
		}
	}
	for slot, candidates := range claimants {
		if first := slots.Holder(candidates); !held[slot] && isUsable(s, first) {
			j.report("at rest, %s claims %s, which no binding holds", first, slot)
		}
	}
	j.checkLeft(s)
}

// checkLeft checks that each key knows its Secret, and that nothing is protected without a user.
func (j *judge) checkLeft(s *store) {
	for _, key := range all[*signetv1alpha1.SignatureKey](s.objects) {
		ready := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionReady)
		if ready != nil && ready.Reason == signetv1alpha1.ReasonSecretOwnedByOther && !slices.Contains(j.unproven, key.EffectiveTargetName()) {
			j.report("at rest, key %s does not recognize its Secret", key.Name)
		}
	}
	for _, key := range all[*signetv1alpha1.SignatureKey](s.objects) {
		if (signetv1alpha1.IsProtected(key) || key.DeletionTimestamp != nil) && !isUsed(s, key) {
			// A Secret that was deleted while its key exists is kept with the key.
			if secret := get[*corev1.Secret](s.objects, key.EffectiveTargetName()); secret == nil || secret.DeletionTimestamp == nil {
				j.report("at rest, key %s is protected or being deleted without a user", key.Name)
			}
		}
	}
	for _, secret := range all[*corev1.Secret](s.objects) {
		if key := get[*signetv1alpha1.SignatureKey](s.objects, secret.Name); key == nil && signetv1alpha1.IsProtected(secret) {
			j.report("at rest, Secret %s is protected without a key", secret.Name)
		}
	}
}

// isUsable reports whether the key that a binding names has material.
func isUsable(s *store, binding string) bool {
	key := get[*signetv1alpha1.SignatureKey](s.objects, get[*signetv1alpha1.SignatureBinding](s.objects, binding).Spec.KeyRef.Name)
	return key != nil && key.Status.KeyID != "" && !slots.TerminatingUnprotected(key)
}

func isUsed(s *store, key *signetv1alpha1.SignatureKey) bool {
	return slices.ContainsFunc(all[*signetv1alpha1.SignatureBinding](s.objects), func(binding *signetv1alpha1.SignatureBinding) bool {
		return slots.UsesKey(binding, key)
	})
}
