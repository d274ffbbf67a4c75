// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

// effectiveKey is the key that a binding signs with now.
type effectiveKey struct {
	// name of the key: the one that spec.keyRef names or, during a move, the one
	// before it; empty if there is none.
	name        string
	hasMaterial bool
	displayName string
	// problem is the reason why the key that spec.keyRef names does not sign; zero
	// if it does.
	problem status.Readiness
}

// newEffectiveKey decides which key signs for the binding.
func newEffectiveKey(seen *observation) effectiveKey {
	binding := seen.binding
	problem := keyProblem(binding, seen.key)
	if problem.IsZero() {
		problem = moveProblem(seen)
	}
	if problem.IsZero() && !seen.refusal.IsZero() {
		problem = seen.refusal.Readiness()
		if !isMove(seen) {
			return effectiveKey{name: seen.key.Name, hasMaterial: true, displayName: seen.key.Status.DisplayName, problem: problem}
		}
	}
	if problem.IsZero() {
		return effectiveKey{name: seen.key.Name, hasMaterial: true, displayName: seen.key.Status.DisplayName}
	}
	key := effectiveKey{name: binding.Status.KeyName, displayName: binding.Status.DisplayName, problem: problem}
	switch {
	case key.name == binding.Spec.KeyRef.Name:
		return key
	case !slots.HoldsWith(binding, key.name):
		return effectiveKey{problem: problem} // the key before has signed nothing
	}
	if before := seen.keyBefore; before != nil && before.Status.KeyID != "" {
		key.hasMaterial, key.displayName = true, before.Status.DisplayName
	}
	key.problem.Message += fmt.Sprintf(" Until then, SignatureKey %q keeps signing.", key.name)
	return key
}

// moveProblem returns the reason why the binding cannot move to another key yet;
// zero if it can. An earlier key counts as in use until its entry in
// status.previousKeys expires, so no entry may be dropped before.
func moveProblem(seen *observation) status.Readiness {
	if !isMove(seen) || len(remainingKeys(seen, seen.key.Name)) < maxPreviousKeys {
		return status.Readiness{}
	}
	return status.Waiting(signetv1alpha1.ReasonKeyNotReady, fmt.Sprintf(
		"The binding moves to SignatureKey %q when the first of its %d previous keys expires. This resolves without action.",
		seen.key.Name, maxPreviousKeys))
}

// isMove reports whether the binding signs with another key than the one that
// spec.keyRef names.
func isMove(seen *observation) bool {
	before := seen.binding.Status.KeyName
	return before != seen.key.Name && slots.HoldsWith(seen.binding, before)
}

// remainingKeys returns the entries of status.previousKeys that are still needed
// if the binding signs with the key of that name.
func remainingKeys(seen *observation, effective string) []signetv1alpha1.PreviousKey {
	var remaining []signetv1alpha1.PreviousKey
	for _, previous := range seen.binding.Status.PreviousKeys {
		if previous.Until.After(seen.now) && previous.Name != effective && previous.Name != seen.binding.Status.KeyName {
			remaining = append(remaining, previous)
		}
	}
	return remaining
}

// keyProblem returns the reason why the key that a binding names does not sign for
// it; zero if it does. The key is nil if it does not exist.
func keyProblem(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) status.Readiness {
	switch {
	case key == nil:
		return status.Waiting(signetv1alpha1.ReasonKeyNotFound, fmt.Sprintf(
			"SignatureKey %q does not exist in this namespace. Create it or fix spec.keyRef.name.", binding.Spec.KeyRef.Name))
	case slots.CreatedAfterDeletion(binding, key), slots.TerminatingUnprotected(key):
		return status.Stalled(signetv1alpha1.ReasonKeyTerminating, fmt.Sprintf(
			"SignatureKey %q is being deleted and accepts no new bindings. Set spec.keyRef.name to another key.", key.Name))
	default:
		return materialProblem(key)
	}
}

// materialProblem returns the reason why a key has no material; zero if it has.
func materialProblem(key *signetv1alpha1.SignatureKey) status.Readiness {
	if key.Status.KeyID != "" {
		return status.Readiness{}
	}
	reason := signetv1alpha1.ReasonKeyNotReady
	if condition := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionReady); condition != nil {
		reason = condition.Reason
	}
	switch reason {
	case signetv1alpha1.ReasonSecretLost:
		return status.Stalled(reason, fmt.Sprintf("The Secret of SignatureKey %q is lost. See its status.", key.Name))
	case signetv1alpha1.ReasonTypeNotEnabled:
		return status.Stalled(reason, fmt.Sprintf(
			"The type of SignatureKey %q is not enabled, and the key has no material. See its status.", key.Name))
	default:
		return status.Waiting(signetv1alpha1.ReasonKeyNotReady, fmt.Sprintf(
			"SignatureKey %q has no material yet (%s). See its status.", key.Name, reason))
	}
}
