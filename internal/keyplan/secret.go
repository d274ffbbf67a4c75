// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

const (
	eventAdopted = "Adopted"
	renewal      = "set spec.rotation.trigger to another value to generate new material"
)

// classifySecret finds out what is in place of the managed Secret, and the
// material in it.
func (p *planner) classifySecret() (bool, error) {
	switch {
	case p.Secret == nil:
		return p.classifyAbsence()
	case material.IsOwnedBy(p.Secret, p.Key) && material.OtherController(p.Secret, p.Key) == nil:
		return p.classifyData(), nil
	case p.SecretLive:
		// No watch reports when it is gone: the cache excludes it.
		p.plan.Answer = status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("Secret", p.Secret, p.Secret.Type))
		return p.block(p.plan.Answer), nil
	default:
		p.markStalled(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("Secret", p.Secret, p.Secret.Type))
		p.clearMaterialStatus()
		return true, nil
	}
}

// classifyAbsence decides what the absence of the managed Secret means: material
// that bindings rely on is lost, and must not be replaced without consent.
func (p *planner) classifyAbsence() (bool, error) {
	p.clearMaterialStatus()
	switch {
	case !p.mustKeepMaterial():
		return false, nil
	case p.consents():
		p.consented = true
		return false, nil
	case p.blocked():
		p.requeueAfter(p.Answer.Left)
		p.setReady(p.Answer.Readiness)
		return true, nil
	case p.Answer.Readiness.Reason == signetv1alpha1.ReasonSecretLost:
		p.requeueAfter(p.Answer.Left)
		return p.markSecretLost(p.Answer.Readiness.Message), nil
	case !p.SecretLive:
		return false, errSecretNotReadLive
	}
	p.plan.Answer = status.Stalled(signetv1alpha1.ReasonSecretLost, lostSecret(p.Key))
	p.requeueAfter(LiveReadInterval)
	return p.markSecretLost(p.plan.Answer.Message), nil
}

// classifyData reads the material in a Secret that the key owns.
func (p *planner) classifyData() (decided bool) {
	set, err := material.Decode(p.Secret.Data)
	modified := errors.Is(err, material.ErrModified)
	otherType := set != nil && (set.Type != p.Key.Spec.Type || set.Algorithm != p.Key.Spec.Algorithm)
	switch {
	case otherType && !modified:
		p.markStalled(signetv1alpha1.ReasonSecretOwnedByOther, fmt.Sprintf(
			"Secret %q contains material of another type (%s). Delete it, or create the key with another spec.target.name.",
			p.Secret.Name, set.Type))
		p.clearMaterialStatus()
		return true
	case otherType, err != nil && !modified:
		return p.markSecretLost(lostBytes(p.Key))
	}
	p.current, p.modified = set, modified
	p.adopted = p.firstSeen() || p.lossReported()
	if !modified {
		p.setMaterialStatus(set)
	}
	return p.classifyDeletion()
}

// recordAdoption reports material that existed before the key was first seen, or
// that has been restored. A Secret with the key's own UID is the key's own,
// written before a crash. Modified bytes have an event of their own.
func (p *planner) recordAdoption() {
	if !p.adopted || p.modified {
		return
	}
	own := slices.ContainsFunc(p.Secret.OwnerReferences, func(reference metav1.OwnerReference) bool {
		return reference.UID == p.Key.UID
	})
	if !own {
		p.recordEvent(status.Event{Type: corev1.EventTypeNormal, Reason: eventAdopted, Message: fmt.Sprintf(
			"Adopted existing Secret %q with version %s.", p.Secret.Name, p.current.Active.ID)})
	}
}

// classifyDeletion reports what becomes of a managed Secret that is deleted
// while its key exists. If it is not protected it no longer can be, because the
// API server allows no new finalizer then.
func (p *planner) classifyDeletion() (decided bool) {
	name := p.Secret.Name
	switch {
	case p.Secret.DeletionTimestamp.IsZero():
	case hasProtection(p.Secret):
		p.setFallback(status.Ready(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
			"Secret %q is being deleted but is protected. It keeps working and is removed with the key. "+
				"To replace it, move the bindings to another key and delete this one.", name)))
	case p.mustKeepMaterial():
		p.setReady(status.Stalled(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
			"Secret %q is being deleted and can no longer be protected. Save its content now, and restore it when it is gone.", name)))
	default:
		p.setReady(status.Waiting(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
			"Secret %q is being deleted. New material is generated when it is gone. If that takes long, check its finalizers.", name)))
		p.clearMaterialStatus()
		return true
	}
	return false
}

// block ends the plan because an object that the key does not manage has the
// name of its Secret.
func (p *planner) block(conflict status.Readiness) (decided bool) {
	p.requeueAfter(LiveReadInterval)
	p.setReady(conflict)
	p.clearMaterialStatus()
	return true
}

// markSecretLost ends a plan without material, unless the spec consents to new
// material. The trigger that is present when the loss is first reported is no
// consent. The loss takes precedence over every other problem.
func (p *planner) markSecretLost(message string) (decided bool) {
	p.clearMaterialStatus()
	if p.consents() {
		p.consented = true
		return false
	}
	if !p.lossReported() {
		p.plan.Status.ObservedTrigger, p.plan.Status.ObservedRevokeTrigger = p.Key.Trigger(), p.Key.RevokeTrigger()
	}
	p.readiness, p.plan.Terminal = status.Stalled(signetv1alpha1.ReasonSecretLost, message), false
	return true
}

// planSecret makes the managed Secret as desired, in one write.
func (p *planner) planSecret() (bool, error) {
	desired := p.desiredSecret()
	if p.Secret == nil || !equality.Semantic.DeepEqual(p.Secret, desired) {
		p.plan.Secret = &SecretPlan{Observed: p.Secret, Desired: desired, RotationState: p.next.RotationState()}
	}
	p.recordAdoption()
	if p.change != nil {
		p.recordEvent(*p.change)
	}
	p.setMaterialStatus(p.next)
	return false, nil
}

func lostBytes(key *signetv1alpha1.SignatureKey) string {
	return fmt.Sprintf("Secret %q contains no usable material. Restore it from a backup, or %s.", key.EffectiveTargetName(), renewal)
}

func lostSecret(key *signetv1alpha1.SignatureKey) string {
	return fmt.Sprintf("Secret %q is missing but bindings use the key. Restore it from a backup, or %s.", key.EffectiveTargetName(), renewal)
}

func ownedByOther(kind string, object metav1.Object, secretType corev1.SecretType) string {
	return fmt.Sprintf("%s %q exists but is not managed by this key (%s). Delete it, or create the key with another spec.target.name.",
		kind, object.GetName(), material.DescribeOwner(object, secretType))
}
