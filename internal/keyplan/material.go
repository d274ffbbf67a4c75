// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// Reasons of events about material that no condition has.
const (
	eventGenerated        = "Generated"
	eventMaterialApplied  = "MaterialApplied"
	eventMaterialModified = "MaterialModified"
	eventReplaced         = "Replaced"
)

// mayGenerate ends a plan for a key without material if something prevents new
// material. Nothing is generated over something that exists: for a key without
// material on record the create itself shows that, otherwise a live read does.
func (p *planner) mayGenerate() (bool, error) {
	switch {
	case p.current != nil:
		return false, nil
	case !p.readiness.IsZero() && p.consented:
		p.readiness = status.Stalled(signetv1alpha1.ReasonSecretLost,
			"New material may replace the lost material but cannot be generated yet. "+p.readiness.Message)
		return true, nil
	case !p.readiness.IsZero():
		return true, nil
	case p.terminating():
		p.setReady(status.Stalled(signetv1alpha1.ReasonKeyTerminating, "The key is being deleted, so no material is generated for it. Move its bindings to another key, or delete them."))
		p.clearMaterialStatus()
		return true, nil
	case p.NamespaceTerminating || p.CreateRefused:
		return p.waitForNamespace(), nil
	case p.Secret != nil:
		return false, nil
	default:
		return p.mayCreate()
	}
}

// mayCreate ends the plan if the managed Secret must not be created yet.
func (p *planner) mayCreate() (bool, error) {
	switch {
	case p.blocked():
		p.requeueAfter(p.Answer.Left)
		p.setReady(p.Answer.Readiness)
		return true, nil
	case !p.SecretLive && (p.hasRecord() || p.consented || p.NameTaken):
		return false, errSecretNotReadLive
	case p.Key.Status.SecretUID != "" && !p.consented:
		return p.forgetRecord(), nil
	default:
		return false, nil
	}
}

// forgetRecord removes the Secret that is gone from the record before another one
// is created. If the response to that create is lost, the new Secret is adopted as
// that of a new key is, not taken for another client's.
func (p *planner) forgetRecord() (decided bool) {
	p.plan.Status.SecretUID, p.plan.Status.Versions = "", nil
	p.requeueAfter(StepInterval)
	return true
}

func (p *planner) waitForNamespace() (decided bool) {
	p.setReady(namespaceTerminating())
	p.clearMaterialStatus()
	return true
}

func namespaceTerminating() status.Readiness {
	return status.Waiting(signetv1alpha1.ReasonNamespaceTerminating,
		"The namespace is being deleted, so nothing can be created in it. This resolves without action.")
}

// planMaterial decides what the material is to be: one change for each write.
func (p *planner) planMaterial() (bool, error) {
	switch {
	case p.current == nil:
		return false, p.generate()
	case p.modified:
		return false, p.applyModified()
	case p.adopted:
		return false, p.rotateAdopted()
	default:
		return false, p.rotate(p.current)
	}
}

// generate makes the first material of a key, or with consent new material in
// place of lost one.
func (p *planner) generate() error {
	set, err := material.First(p.Key, *p.supplied, p.now, p.random)
	if err != nil {
		return fmt.Errorf("make material: %w", err)
	}
	p.next = set
	if p.Key.RotationInterval() > 0 {
		p.requeueAfter(StepInterval) // to find out when to renew it
	}
	reason, how := eventGenerated, "Generated new material"
	if p.supplied.Complete() {
		reason, how = eventMaterialApplied, "Applied the supplied material"
	}
	p.change = &status.Event{Type: corev1.EventTypeNormal, Reason: reason, Message: fmt.Sprintf(
		"%s: Secret %q has version %s.", how, p.Key.EffectiveTargetName(), set.Active.ID)}
	return nil
}

// applyModified makes versions of their own of bytes that another client has
// written: backends that follow the Secret have them already.
func (p *planner) applyModified() error {
	renamed, err := p.current.WithNewIDs(p.now, p.random)
	if err != nil {
		return fmt.Errorf("take modified material: %w", err)
	}
	p.current = renamed
	p.requeueAfter(StepInterval)
	p.change = &status.Event{Type: corev1.EventTypeWarning, Reason: eventMaterialModified, Message: fmt.Sprintf(
		"Another client changed the data of Secret %q. It is in use as version %s. Change the source or use spec.rotation instead.",
		p.Secret.Name, renamed.Active.ID)}
	if p.adopted {
		renamed = renamed.WithSpecOf(p.Key)
	}
	p.next = p.describe(renamed)
	return nil
}

// rotateAdopted takes the next step of material that the key has not seen before, or
// not for a while. An ID on record with other bytes here must not stand for both.
func (p *planner) rotateAdopted() error {
	if p.current.Contradicts(p.Key.Status.Versions) {
		renamed, err := p.current.WithNewIDs(p.now, p.random)
		if err != nil {
			return fmt.Errorf("adopt material: %w", err)
		}
		p.current = renamed
	}
	return p.rotate(p.current.AdoptedBy(p.Key, p.now))
}

// rotate takes the next step of the rotation of a set, if it is due. An invalid
// spec or source begins nothing. What is staged continues: its bytes are in the
// Secret, they were valid when they came, and backends know them.
func (p *planner) rotate(set *material.Set) error {
	before := p.describe(set)
	state := before.RotationState()
	outcome, err := before.Advance(p.rotationSpec(), p.Watch.Moment(state, p.now), p.random)
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	p.plan.RotationState = state
	p.next, p.change = outcome.Set, eventOf(before, outcome)
	p.requeueAfter(outcome.Again)
	if outcome.Step != material.NoStep && outcome.Again == 0 {
		p.requeueAfter(StepInterval)
	}
	return nil
}

// describe returns the set with the key's display name, and with the triggers
// that status records as acted upon. If the Secret does not, it is older than
// the status, because a backup has been restored over it: then triggers that
// have not changed since do nothing.
func (p *planner) describe(set *material.Set) *material.Set {
	if !p.specInvalid {
		set = set.WithDisplayName(p.Key.EffectiveDisplayName())
	}
	trigger, revokeTrigger := set.Trigger, set.RevokeTrigger
	if wanted := p.Key.Trigger(); wanted == p.Key.Status.ObservedTrigger && wanted != "" {
		trigger = wanted
	}
	if wanted := p.Key.RevokeTrigger(); wanted == p.Key.Status.ObservedRevokeTrigger && wanted != "" {
		revokeTrigger = wanted
	}
	return set.WithTriggers(trigger, revokeTrigger)
}

// rotationSpec is what spec and source ask of the material.
func (p *planner) rotationSpec() material.RotationSpec {
	spec := material.RotationSpec{
		Supplied: p.supplied,
		Interval: p.Key.RotationInterval(), Stage: p.Key.EffectiveStage(), Retire: p.Key.EffectiveRetire(),
		Trigger: p.Key.Trigger(), RevokeTrigger: p.Key.RevokeTrigger(),
	}
	if p.specInvalid {
		spec.Supplied = nil
	}
	return spec
}

// eventOf returns the event about a step that no transition of the condition
// Rotating reports; nil for none.
func eventOf(before *material.Set, outcome material.Outcome) *status.Event {
	switch {
	case outcome.Step == material.Replaced:
		return &status.Event{Type: corev1.EventTypeWarning, Reason: eventReplaced, Message: fmt.Sprintf(
			"A new spec.rotation.revokeTrigger has replaced the material. Version %s signs, and no other version is accepted. Requests may fail until backends have read it.", outcome.Set.Active.ID)}
	case outcome.Step == material.NothingToRotate:
		return &status.Event{Type: corev1.EventTypeWarning, Reason: signetv1alpha1.ReasonNothingToRotate, Message: nothingToRotate}
	case outcome.Step == material.Staged && before.Next != nil:
		return &status.Event{Type: corev1.EventTypeNormal, Reason: signetv1alpha1.ReasonStaged, Message: fmt.Sprintf(
			"The supplied material has changed again. Version %s is staged instead of version %s.", outcome.Set.Next.ID, before.Next.ID)}
	default:
		return nil
	}
}

const nothingToRotate = "Both components are supplied, and only generated components are renewed. " +
	"Change them in the source, or omit one."
