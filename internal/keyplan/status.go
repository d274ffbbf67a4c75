// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// maxBindingNames is how many bindings a status names.
const maxBindingNames = 10

// finish completes the status, and adds the events about its transitions.
func (p *planner) finish() Plan {
	p.completeStatus()
	p.recordTransitions()
	if p.Unsettled {
		p.requeueAfter(unsettledInterval)
	}
	return p.plan
}

// completeStatus sets the conditions and the fields that do not depend on material.
func (p *planner) completeStatus() {
	s := &p.plan.Status
	s.DisplayName, s.SecretName = p.Key.EffectiveDisplayName(), p.Key.EffectiveTargetName()
	if !p.readiness.IsZero() {
		p.requeueAfter(p.readiness.Apply(&s.Conditions, p.Key.Generation, p.now))
	}
	s.Bindings = &signetv1alpha1.KeyBindings{
		Count: int32(len(p.Users)), //nolint:gosec // no cache holds two billion bindings
		Names: p.Users[:min(len(p.Users), maxBindingNames)],
	}
	status.SetCondition(&s.Conditions, p.inUse(), p.now)
	p.setRotation()
}

// setMaterialStatus describes the material in effect.
func (p *planner) setMaterialStatus(set *material.Set) {
	p.shown = set
	s := &p.plan.Status
	s.Identifier = ""
	if set.Type == signetv1alpha1.KeyTypeHMAC || set.Type == signetv1alpha1.KeyTypeBasic {
		s.Identifier = string(set.Active.Key)
	}
	s.KeyID = set.Active.ID
	s.Versions = set.Versions()
	s.LastRotationTime = s.Versions[0].Activated
	s.ObservedTrigger, s.ObservedRevokeTrigger = set.Trigger, set.RevokeTrigger
}

// clearMaterialStatus reports that there is no material to sign with. The UID and the
// active version on record stay: a restored Secret is compared with them.
func (p *planner) clearMaterialStatus() {
	p.shown = nil
	s := &p.plan.Status
	s.Identifier, s.KeyID = "", ""
	s.LastRotationTime, s.NextRotationTime = nil, nil
	s.Versions = slices.DeleteFunc(slices.Clone(s.Versions), func(v signetv1alpha1.KeyVersion) bool {
		return v.State != signetv1alpha1.VersionActive
	})
}

// inUse returns the condition with the bindings that use the key.
func (p *planner) inUse() metav1.Condition {
	condition := metav1.Condition{
		Type: signetv1alpha1.ConditionInUse, Status: metav1.ConditionTrue, ObservedGeneration: p.Key.Generation,
	}
	users := status.EnumerateNames(p.Users, maxBindingNames)
	switch {
	case len(p.Users) == 0:
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonNotBound
		condition.Message = "No binding uses the key."
	case p.terminating():
		condition.Reason = signetv1alpha1.ReasonDeletionBlocked
		condition.Message = fmt.Sprintf("The key is being deleted but keeps signing while it is used by %s: %s. "+
			"Delete each, or move it to another key.", bindings(len(p.Users)), users)
	default:
		condition.Reason = signetv1alpha1.ReasonBound
		condition.Message = fmt.Sprintf("Used by %s: %s.", bindings(len(p.Users)), users)
	}
	return condition
}

func bindings(count int) string {
	if count == 1 {
		return "1 binding"
	}
	return fmt.Sprintf("%d bindings", count)
}

// setRotation describes the rotation of the material that status shows.
func (p *planner) setRotation() {
	s := &p.plan.Status
	if p.shown == nil {
		if s.KeyID == "" {
			meta.RemoveStatusCondition(&s.Conditions, signetv1alpha1.ConditionRotating)
		}
		return
	}
	spec := p.rotationSpec()
	s.NextRotationTime = nil
	if next := p.shown.NextRotation(spec); !next.IsZero() {
		s.NextRotationTime = &metav1.Time{Time: next}
	}
	condition := rotating(p.shown, spec)
	condition.ObservedGeneration = p.Key.Generation
	status.SetCondition(&s.Conditions, condition, p.now)
}

// rotating returns the condition with the state of a set's rotation.
func rotating(set *material.Set, spec material.RotationSpec) metav1.Condition {
	condition := metav1.Condition{Type: signetv1alpha1.ConditionRotating, Status: metav1.ConditionTrue}
	switch {
	case set.Previous != nil:
		condition.Reason = signetv1alpha1.ReasonRetiring
		condition.Message = fmt.Sprintf("Version %s signs. Version %s is still accepted until %s.",
			set.Active.ID, set.Previous.ID, set.Previous.Retires.Format(time.RFC3339))
	case set.Next != nil:
		condition.Reason = signetv1alpha1.ReasonStaged
		condition.Message = fmt.Sprintf("Version %s signs. Version %s is also accepted and starts signing at %s.",
			set.Active.ID, set.Next.ID, set.Next.Created.Add(spec.Stage).Format(time.RFC3339))
	case spec.Supplied == nil:
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonResting
		condition.Message = fmt.Sprintf("Version %s signs. No rotation starts until the spec and the source are valid. See the condition Ready.", set.Active.ID)
	case spec.Supplied.Complete() && (spec.Interval > 0 || spec.Trigger != "" || spec.RevokeTrigger != ""):
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonNothingToRotate
		condition.Message = nothingToRotate
	default:
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonSettled
		condition.Message = fmt.Sprintf("Version %s signs. No other version is accepted.", set.Active.ID)
	}
	if condition.Status == metav1.ConditionTrue && set.Triggered(spec) {
		condition.Message += " The trigger has changed since then, so another rotation follows."
	}
	return condition
}

// isReadyAtOnce reports whether a new key becomes Ready in the step that has an event
// about its material: that event says it all.
func (p *planner) isReadyAtOnce() bool {
	ready := meta.FindStatusCondition(p.plan.Status.Conditions, signetv1alpha1.ConditionReady)
	return p.change != nil && ready != nil && ready.Reason == signetv1alpha1.ReasonReady &&
		meta.FindStatusCondition(p.Key.Status.Conditions, signetv1alpha1.ConditionReady) == nil
}

// recordTransitions adds the events about conditions that have changed. Whether a key is in
// use is no news, unless that blocks its deletion: bindings have events of their own, and
// with thousands of them a second one would cost as much as the finalizers. That a new key
// does not rotate is none either.
func (p *planner) recordTransitions() {
	before, after := p.Key.Status.Conditions, p.plan.Status.Conditions
	var types []string
	if !p.isReadyAtOnce() {
		types = append(types, signetv1alpha1.ConditionReady)
	}
	if len(p.Users) > 0 && p.terminating() {
		types = append(types, signetv1alpha1.ConditionInUse)
	}
	if meta.IsStatusConditionTrue(before, signetv1alpha1.ConditionRotating) ||
		meta.IsStatusConditionTrue(after, signetv1alpha1.ConditionRotating) {
		types = append(types, signetv1alpha1.ConditionRotating)
	}
	p.plan.Events = append(p.plan.Events, status.Transitions(before, after, types...)...)
}
