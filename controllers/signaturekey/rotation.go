package signaturekey

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// eventReplaced is the reason of the Event about rotation.revokeTrigger: it leaves
// no condition behind.
const eventReplaced = "Replaced"

// rotate takes the next step of a rotation, if it is time. A spec or source that
// is not in order begins nothing; what is staged goes on: its bytes are in the
// Secret, they were in order when they came, and backends have been told.
func (r *Reconciler) rotate(run *keyRun) error {
	if !run.specBroken {
		run.next = run.next.WithDisplayName(run.key.EffectiveDisplayName())
	}
	run.next = run.actedUpon(run.next)
	if run.change != nil {
		// Changed bytes get their ids first: one step for each write.
		return nil
	}
	before := run.next
	state := before.RotationState()
	r.rotations.observe(run.key, state)
	outcome, err := before.Advance(run.plan(), r.rotations.watch(run.key).Moment(state, r.Clock.Now()), r.Rand)
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	run.next = outcome.Set
	run.again = sooner(run.again, outcome.Again)
	run.change = newsOf(before, outcome)
	return nil
}

// plan is what spec and source want of the material.
func (run *keyRun) plan() material.RotationSpec {
	key := run.key
	plan := material.RotationSpec{
		Supplied: run.supplied,
		Interval: key.RotationInterval(), Stage: key.EffectiveStage(), Retire: key.EffectiveRetire(),
		Trigger: key.Trigger(), RevokeTrigger: key.RevokeTrigger(),
	}
	if run.specBroken {
		plan.Supplied = nil
	}
	return plan
}

// actedUpon is the set with triggers noted that the status knows as acted upon.
// Where the Secret does not say so it is older than the status: somebody has
// put a backup over it. A trigger that was left as it is does nothing then.
func (run *keyRun) actedUpon(set *material.Set) *material.Set {
	trigger, immediate := set.Trigger, set.RevokeTrigger
	if wanted := run.key.Trigger(); wanted == run.key.Status.ObservedTrigger && wanted != "" {
		trigger = wanted
	}
	if wanted := run.key.RevokeTrigger(); wanted == run.key.Status.ObservedRevokeTrigger && wanted != "" {
		immediate = wanted
	}
	return set.WithTriggers(trigger, immediate)
}

// newsOf is what to tell of a step beside the condition Rotating, whose
// transitions tell of the others; nil for nothing.
func newsOf(before *material.Set, outcome material.Outcome) *status.Event {
	switch {
	case outcome.Step == material.Replaced:
		return &status.Event{corev1.EventTypeWarning, eventReplaced, fmt.Sprintf(
			"As spec.rotation.revokeTrigger asks, version %s signs and no other is accepted: requests may fail until backends have seen it.", outcome.Set.Active.ID)}
	case outcome.Step == material.NothingToRotate:
		return &status.Event{corev1.EventTypeWarning, signetv1alpha1.ReasonNothingToRotate, nothingToRotate}
	case outcome.Step == material.Staged && before.Next != nil:
		return &status.Event{corev1.EventTypeNormal, signetv1alpha1.ReasonStaged, fmt.Sprintf(
			"The supplied material has changed once more: version %s is staged in place of %s.", outcome.Set.Next.ID, before.Next.ID)}
	default:
		return nil
	}
}

const nothingToRotate = "Key and secret are both supplied, and only generated halves are renewed: " +
	"change them in their source, or leave one out."

// tellRotation tells in the status where the rotation of what is shown stands.
func (run *keyRun) tellRotation(now time.Time) {
	if run.shown == nil {
		if run.status.KeyID == "" {
			meta.RemoveStatusCondition(&run.status.Conditions, signetv1alpha1.ConditionRotating)
		}
		return
	}
	plan := run.plan()
	run.status.NextRotationTime = nil
	if next := run.shown.NextRotation(plan); !next.IsZero() {
		run.status.NextRotationTime = &metav1.Time{Time: next}
	}
	condition := rotating(run.shown, plan)
	condition.ObservedGeneration = run.key.Generation
	status.SetCondition(&run.status.Conditions, condition, now)
}

// rotating says where the rotation of a set stands.
func rotating(set *material.Set, plan material.RotationSpec) metav1.Condition {
	condition := metav1.Condition{Type: signetv1alpha1.ConditionRotating, Status: metav1.ConditionTrue}
	switch {
	case set.Previous != nil:
		condition.Reason = signetv1alpha1.ReasonRetiring
		condition.Message = fmt.Sprintf("Version %s signs; version %s is still accepted until %s.",
			set.Active.ID, set.Previous.ID, set.Previous.Retires.Format(time.RFC3339))
	case set.Next != nil:
		condition.Reason = signetv1alpha1.ReasonStaged
		condition.Message = fmt.Sprintf("Version %s signs; version %s is accepted, too, and signs from %s on.",
			set.Active.ID, set.Next.ID, set.Next.Created.Add(plan.Stage).Format(time.RFC3339))
	case plan.Supplied == nil:
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonResting
		condition.Message = fmt.Sprintf("Version %s signs, and no rotation begins until Ready says that spec and source are in order.", set.Active.ID)
	case plan.Supplied.Complete() && (plan.Interval > 0 || plan.Trigger != "" || plan.RevokeTrigger != ""):
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonNothingToRotate
		condition.Message = nothingToRotate
	default:
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonSettled
		condition.Message = fmt.Sprintf("Version %s signs, and no other is accepted.", set.Active.ID)
	}
	if condition.Status == metav1.ConditionTrue && set.Triggered(plan) {
		condition.Message += " The trigger has changed since: another rotation follows."
	}
	return condition
}

// rotationTold says that the condition Rotating has changed in a way that is
// worth an Event: a rotation begins, goes on, or comes to an end.
func rotationTold(before, after []metav1.Condition) bool {
	return meta.IsStatusConditionTrue(before, signetv1alpha1.ConditionRotating) ||
		meta.IsStatusConditionTrue(after, signetv1alpha1.ConditionRotating)
}
