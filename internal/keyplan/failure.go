// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
)

// Unapplied returns what to report if the Secret was not written as planned: the
// material as observed, and the problems that the checks have found. Otherwise
// Ready stays as observed, and no generation counts as acted upon. It has no
// writes.
func Unapplied(observation Observation, now time.Time) Plan {
	p := newPlanner(observation, now, nil)
	if !p.deletable() {
		// An error leaves the status as it is, which is what to report then.
		_, _ = p.run(checks)
	}
	plan := p.finish()
	keepGenerations(&plan.Status, &observation.Key.Status)
	return plan
}

// PartlyApplied returns what to report of a plan if the Secret was written as
// planned but a later write failed: the material as planned, and the problem that
// the plan reports. Otherwise Ready stays as observed, and no generation counts as
// acted upon. An adoption is reported when the whole plan has been applied.
func PartlyApplied(observation Observation, plan Plan) Plan {
	observed := &observation.Key.Status
	plan.Status = *plan.Status.DeepCopy()
	planned := plan.Status.Conditions
	var dropped []status.Event
	if meta.IsStatusConditionTrue(planned, signetv1alpha1.ConditionReady) {
		dropped = status.Transitions(observed.Conditions, planned, signetv1alpha1.ConditionReady)
		plan.Status.Conditions = withReadyOf(observed.Conditions, planned)
	}
	plan.Events = slices.DeleteFunc(slices.Clone(plan.Events), func(event status.Event) bool {
		return event.Reason == eventAdopted || slices.Contains(dropped, event)
	})
	keepGenerations(&plan.Status, observed)
	return plan
}

// withReadyOf returns the planned conditions with Ready and Stalled as observed.
func withReadyOf(observed, planned []metav1.Condition) []metav1.Condition {
	conditions := slices.Clone(observed)
	for _, conditionType := range []string{signetv1alpha1.ConditionInUse, signetv1alpha1.ConditionRotating} {
		after, before := meta.FindStatusCondition(planned, conditionType), meta.FindStatusCondition(conditions, conditionType)
		switch {
		case after == nil:
			meta.RemoveStatusCondition(&conditions, conditionType)
		case before == nil:
			conditions = append(conditions, *after)
		default:
			*before = *after
		}
	}
	return conditions
}

// keepGenerations resets the generations of the status and of the conditions that
// describe the key's objects to those observed.
func keepGenerations(after, observed *signetv1alpha1.SignatureKeyStatus) {
	after.ObservedGeneration = observed.ObservedGeneration
	for _, conditionType := range []string{signetv1alpha1.ConditionInUse, signetv1alpha1.ConditionRotating} {
		condition := meta.FindStatusCondition(after.Conditions, conditionType)
		if condition == nil {
			continue
		}
		condition.ObservedGeneration = max(observed.ObservedGeneration, 0)
		if before := meta.FindStatusCondition(observed.Conditions, conditionType); before != nil {
			condition.ObservedGeneration = before.ObservedGeneration
		}
	}
}
