package view

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// conditionRotating of a key is there while a second version is accepted.
const conditionRotating = signetv1alpha1.ConditionRotating

// underWay says whether a second version is accepted, or about to be.
func underWay(key *signetv1alpha1.SignatureKey) bool {
	return meta.IsStatusConditionTrue(key.Status.Conditions, conditionRotating)
}

// rotationReason is what `kubectl get` shows of a rotation, also where there is
// none; empty if nothing is said of it.
func rotationReason(key *signetv1alpha1.SignatureKey) string {
	if rotating := meta.FindStatusCondition(key.Status.Conditions, conditionRotating); rotating != nil {
		return rotating.Reason
	}
	return ""
}

// Rotated says whether the trigger was acted upon and no rotation is under way.
func Rotated(key *signetv1alpha1.SignatureKey, trigger string) bool {
	return key.Status.ObservedTrigger == trigger && !underWay(key)
}

// Refused says why the trigger will not be acted upon as things stand; empty if
// it may be yet.
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

// Progress is one line on the versions of a key.
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

// Replaced says whether another version than the one of that id signs, and no
// rotation is under way.
func Replaced(key *signetv1alpha1.SignatureKey, id string) bool {
	return key.Status.KeyID != "" && key.Status.KeyID != id && !underWay(key)
}
