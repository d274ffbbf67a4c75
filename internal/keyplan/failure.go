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
// material as observed, the problems that the checks have found, and else the refusal
// if it persists. Otherwise Ready stays as observed, and no generation counts as acted
// upon. It has no writes.
func Unapplied(observation Observation, now time.Time) Plan {
	p := newPlanner(observation, now, nil)
	if !p.deletable() {
		// An error leaves the status as it is, which is what to report then.
		_, _ = p.run(checks)
	}
	if p.reportsRefusal() {
		p.setReady(observation.Refusal.Readiness())
	}
	p.completeStatus()
	keepGenerations(&p.plan.Status, observation, now)
	p.recordTransitions()
	return p.plan
}

// PartlyApplied returns what to report of a plan if the Secret was written as
// planned but a later write failed: the material as planned, and the problem that
// the plan reports, else the refusal if it persists. Otherwise Ready stays as observed,
// and no generation counts as acted upon. An adoption is reported when the whole plan
// has been applied.
func PartlyApplied(observation Observation, plan Plan, now time.Time) Plan {
	observed := &observation.Key.Status
	plan.Status = *plan.Status.DeepCopy()
	planned := plan.Status.Conditions
	transitions := status.Transitions(observed.Conditions, planned, keyConditions...)
	if meta.IsStatusConditionTrue(planned, signetv1alpha1.ConditionReady) {
		plan.Status.Conditions = withReadyOf(observed.Conditions, planned)
		if observation.Refusal.Persists(now) {
			plan.RequeueAfter = observation.Refusal.Readiness().Apply(&plan.Status.Conditions, observation.Key.Generation, now)
		}
	}
	keepGenerations(&plan.Status, observation, now)
	remaining := status.Transitions(observed.Conditions, plan.Status.Conditions, keyConditions...)
	plan.Events = slices.DeleteFunc(slices.Clone(plan.Events), func(event status.Event) bool {
		return event.Reason == eventAdopted || (slices.Contains(transitions, event) && !slices.Contains(remaining, event))
	})
	ready := status.Transitions(observed.Conditions, plan.Status.Conditions, signetv1alpha1.ConditionReady)
	for _, event := range ready {
		if !slices.Contains(plan.Events, event) {
			plan.Events = append(plan.Events, event)
		}
	}
	return plan
}

// keyConditions are the conditions whose transitions are events.
var keyConditions = []string{signetv1alpha1.ConditionReady, signetv1alpha1.ConditionInUse, signetv1alpha1.ConditionRotating}

// reportsRefusal reports whether a write keeps failing and no worse problem is known.
func (p *planner) reportsRefusal() bool {
	return p.Refusal.Persists(p.now) && p.readiness.Status != metav1.ConditionFalse
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
// describe the key's objects to those observed. If a refusal persists, the status as a
// whole is about the generation that was not acted upon. A condition that never had a
// generation is omitted from such a status: clients would take that of the status for
// the condition's own.
func keepGenerations(after *signetv1alpha1.SignatureKeyStatus, observation Observation, now time.Time) {
	observed := &observation.Key.Status
	after.ObservedGeneration = observed.ObservedGeneration
	if observation.Refusal.Persists(now) {
		after.ObservedGeneration = observation.Key.Generation
	}
	for _, conditionType := range []string{signetv1alpha1.ConditionInUse, signetv1alpha1.ConditionRotating} {
		condition := meta.FindStatusCondition(after.Conditions, conditionType)
		if condition == nil {
			continue
		}
		condition.ObservedGeneration = max(observed.ObservedGeneration, 0)
		if before := meta.FindStatusCondition(observed.Conditions, conditionType); before != nil {
			condition.ObservedGeneration = before.ObservedGeneration
		} else if observation.firstSeen() {
			condition.ObservedGeneration = 0
		}
		if after.ObservedGeneration > 0 && condition.ObservedGeneration == 0 {
			meta.RemoveStatusCondition(&after.Conditions, conditionType)
		}
	}
}
