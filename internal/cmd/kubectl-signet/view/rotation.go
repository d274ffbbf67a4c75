// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// conditionRotating is true while a key has a second version.
const conditionRotating = signetv1alpha1.ConditionRotating

// inProgress reports whether a second version is accepted, or about to be.
func inProgress(key *signetv1alpha1.SignatureKey) bool {
	return meta.IsStatusConditionTrue(key.Status.Conditions, conditionRotating)
}

// rotationReason returns the reason that `kubectl get` shows for a rotation, or
// "" without the condition.
func rotationReason(key *signetv1alpha1.SignatureKey) string {
	if rotating := meta.FindStatusCondition(key.Status.Conditions, conditionRotating); rotating != nil {
		return rotating.Reason
	}
	return ""
}

// Rotated reports whether the trigger was acted upon and no rotation is in
// progress.
func Rotated(key *signetv1alpha1.SignatureKey, trigger string) bool {
	return key.Status.ObservedTrigger == trigger && !inProgress(key)
}

// Refused returns why the trigger has no effect in the current state, or "" if it
// can still have one.
func Refused(key *signetv1alpha1.SignatureKey) string {
	rotating := meta.FindStatusCondition(key.Status.Conditions, conditionRotating)
	if rotating == nil || rotating.ObservedGeneration < key.Generation {
		return ""
	}
	if rotating.Reason == signetv1alpha1.ReasonNothingToRotate || rotating.Reason == signetv1alpha1.ReasonResting {
		return rotating.Reason + ": " + rotating.Message
	}
	return ""
}

// Progress returns one line about the versions of a key.
func Progress(key *signetv1alpha1.SignatureKey) string {
	parts := make([]string, 0, len(key.Status.Versions))
	for _, version := range key.Status.Versions {
		part := fmt.Sprintf("%s %s", version.ID, strings.ToLower(string(version.State)))
		if version.Retires != nil {
			part += " until " + version.Retires.UTC().Format(time.RFC3339)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		parts = append(parts, "no version yet")
	}
	line := strings.Join(parts, ", ")
	if rotating := meta.FindStatusCondition(key.Status.Conditions, conditionRotating); rotating != nil {
		return rotating.Reason + ": " + line
	}
	return line
}

// Replaced reports whether another version than the one with that ID signs, and no
// rotation is in progress.
func Replaced(key *signetv1alpha1.SignatureKey, id string) bool {
	return key.Status.KeyID != "" && key.Status.KeyID != id && !inProgress(key)
}
