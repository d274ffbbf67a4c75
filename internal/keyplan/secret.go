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
// material in it. That the UID on record is gone takes a live read: the cache may
// lag behind.
func (p *planner) classifySecret() (bool, error) {
	switch {
	case p.Secret == nil:
		return p.classifyAbsence()
	case p.ownership == material.Own:
		return p.classifyData(), nil
	case !p.recordIsGone():
		return false, errSecretNotReadLive
	}
	switch p.ownership {
	case material.Adoptable:
		return p.adopt()
	case material.Unproven:
		return p.classifyUnproven()
	case material.Collected:
		return p.classifyCollected(), nil
	case material.OtherType:
		return p.block(status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, fmt.Sprintf(
			"Secret %q contains material of another type (%s). Delete it, or create the key with another spec.target.name.",
			p.Secret.Name, p.Secret.Data["type"]))), nil
	case material.NoMaterial:
		return p.block(status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, fmt.Sprintf(
			"Secret %q contains no material that Signet has written for this key. Delete it, or restore it from a backup.", p.Secret.Name))), nil
	default:
		return p.block(status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("Secret", p.Secret, p.Secret.Type))), nil
	}
}

// recordIsGone reports whether it is certain that no Secret has the UID on record:
// none is on record, or a live read has found another Secret of the name, or none.
func (p *planner) recordIsGone() bool {
	recorded := p.Key.Status.SecretUID
	return recorded == "" || p.SecretLive || p.GoneUID == recorded
}

// hasRecord reports whether status contains material of an earlier reconcile.
func (p *planner) hasRecord() bool { return hasRecord(p.Key) }

func hasRecord(key *signetv1alpha1.SignatureKey) bool {
	return key.Status.SecretUID != "" || key.Status.KeyID != "" || len(key.Status.Versions) > 0
}

// adopt puts the material of a Secret into force that has not been on record. What
// it contains has been checked.
func (p *planner) adopt() (decided bool, err error) {
	if p.current, err = material.Decode(p.Secret.Data); err != nil {
		return false, fmt.Errorf("adopt Secret %s: %w", p.Secret.Name, err)
	}
	recorded := p.Key.Status
	p.adopted = p.firstSeen() || p.lossReported() || recorded.KeyID == "" || recorded.SecretUID != ""
	return p.classifyDeletion(), nil
}

// classifyCollected decides about the Secret of an earlier key of this name. While the
// status of a binding relies on its bytes, only the trigger has it removed: they can be
// saved until then.
func (p *planner) classifyCollected() (decided bool) {
	switch {
	case !p.keptByHolder():
		// The garbage collector misses it if it takes the two keys for one, because its
		// watch was broken when the name changed hands.
		return p.block(status.Waiting(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
			"Secret %q belongs to an earlier SignatureKey of this name and is being removed. This resolves without action. "+
				"If it takes longer than a minute, check the finalizers of the Secret, or delete it.", p.Secret.Name)))
	case !p.consents():
		p.recordTriggers()
	}
	p.clearMaterialStatus()
	p.setReady(status.Stalled(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
		"Secret %q belongs to an earlier SignatureKey of this name and is being deleted, but bindings still rely on it. "+
			"Save its content if you need it. To remove it and generate new material, set spec.rotation.trigger to another value.", p.Secret.Name)))
	return true
}

// keptByHolder reports whether bindings are all that prevents the release of a deleted
// Secret of an earlier key.
func (p *planner) keptByHolder() bool {
	return p.HasHolder && !p.Secret.DeletionTimestamp.IsZero() && signetv1alpha1.IsProtected(p.Secret)
}

// recordTriggers records the triggers that are present when a loss is first reported:
// they are no consent to new material.
func (p *planner) recordTriggers() {
	if !p.lossReported() {
		p.plan.Status.ObservedTrigger, p.plan.Status.ObservedRevokeTrigger = p.Key.Trigger(), p.Key.RevokeTrigger()
	}
}

// classifyUnproven decides about a Secret in place of the one on record that has
// other values or an owner: any client can have made it. Only the trigger of a
// bound key puts it into force.
func (p *planner) classifyUnproven() (decided bool, err error) {
	switch {
	case !p.mustKeepMaterial() && p.SecretSent:
		return p.adopt()
	case !p.mustKeepMaterial():
		return p.block(status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, fmt.Sprintf(
			"Secret %q is not the one that this key had: that one is gone, and nothing proves that Signet wrote this one. "+
				"Delete it to generate new material, or restore the Secret from a backup without owner references.", p.Secret.Name))), nil
	case p.consents():
		p.consented = true
		return p.adopt()
	}
	message := fmt.Sprintf("Secret %q was replaced: bindings use the key, and this Secret has other values or an owner. "+
		"Restore it from a backup without owner references, or set spec.rotation.trigger to another value to adopt its values.", p.Secret.Name)
	p.rememberUnwatched(p.Secret, status.Stalled(signetv1alpha1.ReasonSecretLost, message))
	return p.markSecretLost(message), nil
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

// classifyData reads the material in the Secret on record. Bytes that another
// client has changed are followed if they follow the rules: the checksum differs,
// or the digest of a version on record.
func (p *planner) classifyData() (decided bool) {
	set, err := material.Decode(p.Secret.Data)
	modified := errors.Is(err, material.ErrModified) || (set != nil && set.Contradicts(p.Key.Status.Versions))
	if set == nil || set.Type != p.Key.Spec.Type || set.Algorithm != p.Key.Spec.Algorithm {
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
	if !p.adopted || p.modified || p.Secret == nil {
		return
	}
	own := slices.ContainsFunc(p.Secret.OwnerReferences, func(reference metav1.OwnerReference) bool {
		return reference.UID == p.Key.UID
	})
	if !own || p.consented {
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
	case signetv1alpha1.IsProtected(p.Secret):
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
	p.clearMaterialStatus()
	if p.rememberUnwatched(p.Secret, conflict) || conflict.Status != metav1.ConditionFalse {
		p.setReady(conflict)
	} else {
		p.markStalled(conflict.Reason, conflict.Message)
	}
	return true
}

// rememberUnwatched remembers what an object leads to that the caches exclude: no
// watch reports when it changes, so it is read again after a while.
func (p *planner) rememberUnwatched(object metav1.Object, readiness status.Readiness) (unwatched bool) {
	if _, watched := object.GetLabels()[signetv1alpha1.LabelMaterial]; watched {
		return false
	}
	p.plan.Answer = readiness
	p.requeueAfter(LiveReadInterval)
	return true
}

// markSecretLost ends a plan without material, unless the spec consents to new
// material. The loss takes precedence over every other problem.
func (p *planner) markSecretLost(message string) (decided bool) {
	p.clearMaterialStatus()
	if p.consents() {
		p.consented = true
		return false
	}
	p.recordTriggers()
	p.readiness, p.plan.Terminal = status.Stalled(signetv1alpha1.ReasonSecretLost, message), false
	return true
}

// planSecret makes the managed Secret as desired, in one write. A Secret without a
// salt gets one with it, and costs no write for that alone. The UID of a new Secret is
// known when it has been created.
func (p *planner) planSecret() (bool, error) {
	desired := p.desiredSecret()
	if p.Secret == nil || !equality.Semantic.DeepEqual(p.Secret, desired) {
		var err error
		if p.next, err = p.next.WithSalt(p.random); err != nil {
			return false, fmt.Errorf("salt digests: %w", err)
		}
		desired = p.desiredSecret()
		p.plan.Secret = &SecretPlan{Observed: p.Secret, Desired: desired, RotationState: p.next.RotationState()}
	}
	p.recordAdoption()
	if p.change != nil {
		p.recordEvent(*p.change)
	}
	p.setMaterialStatus(p.next)
	p.plan.Status.SecretUID = ""
	if p.Secret != nil {
		p.plan.Status.SecretUID = string(p.Secret.UID)
	}
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
