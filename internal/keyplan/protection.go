// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// planProtection decides what becomes of the finalizers.
func (p *planner) planProtection() error {
	switch {
	case p.mustRestoreProtection():
		p.plan.Protection = RestoreProtection
	case !p.mayRemoveProtection() && !p.mayReleaseCollected():
	case !p.Releasing:
		return errNotReleasing
	case p.mayReleaseCollected():
		p.plan.Protection = ReleaseCollected
	case p.releasesSecret():
		p.plan.Protection = RemoveProtection
	default:
		p.plan.Protection = RemoveKeyProtection
	}
	removes := p.plan.Protection == RemoveProtection || p.plan.Protection == RemoveKeyProtection
	p.plan.ReleasePublic = removes && p.releasesPublic()
	return nil
}

// mustRestoreProtection reports whether the key lacks its finalizer although a
// binding relies on it, or although it is what releases a terminating Secret.
func (p *planner) mustRestoreProtection() bool {
	return (p.HasHolder || p.secretProtected()) && !p.terminating() && !p.releasesAll() && !p.keyProtected()
}

// mayRemoveProtection reports whether there are finalizers of Signet and no
// known reason to keep them. A Secret that was deleted while its key exists is
// kept even if no binding uses it: a stray deletion must not destroy bytes.
func (p *planner) mayRemoveProtection() bool {
	switch {
	case !p.keyProtected() && (!p.releasesSecret() || !signetv1alpha1.IsProtected(p.Secret)) && (!p.releasesPublic() || !signetv1alpha1.IsProtected(p.Public)):
		return false
	case p.releasesAll():
		return true
	case len(p.Users) > 0:
		return false
	default:
		return p.terminating() || !p.secretProtected()
	}
}

// mustKeepMaterial reports whether bindings rely on material that has been made:
// it must not be replaced without consent. A finalizer was added before the
// first grant.
func (p *planner) mustKeepMaterial() bool {
	return p.HasHolder || (len(p.Users) > 0 && p.keyProtected())
}

func (p *planner) keyProtected() bool { return signetv1alpha1.IsProtected(p.Key) }

// secretProtected reports whether the managed Secret is being deleted and
// Signet's finalizer keeps it.
func (p *planner) secretProtected() bool {
	return p.ownsSecret() && !p.Secret.DeletionTimestamp.IsZero() && signetv1alpha1.IsProtected(p.Secret)
}

// ownsSecret reports whether the observed Secret is the key's. One without material
// of the key blocks it and is left alone, but must not keep a finalizer that nobody
// removes when the key goes.
func (p *planner) ownsSecret() bool {
	blocks := p.ownership == material.NoMaterial || p.ownership == material.OtherType
	return material.IsOwnedBy(p.Secret, p.Key) && (!blocks || p.terminating())
}

// releasesSecret reports whether the observed Secret is released with the key: the
// key's own, and in a namespace that is being deleted every protected one of Signet's
// type.
func (p *planner) releasesSecret() bool {
	return p.ownsSecret() ||
		(p.Secret != nil && signetv1alpha1.IsProtected(p.Secret) && p.releasesAll() && p.Secret.Type == signetv1alpha1.SecretType)
}

// releasesPublic reports whether the observed ConfigMap is released with the key: the
// key's own, and in a namespace that is being deleted every protected one.
func (p *planner) releasesPublic() bool {
	if p.Public == nil || p.Key.Spec.Type != signetv1alpha1.KeyTypePublicKey {
		return false
	}
	return p.ownsPublic() || (signetv1alpha1.IsProtected(p.Public) && p.releasesAll())
}

// mayReleaseCollected reports whether the finalizer is all that keeps a deleted
// Secret of an earlier key. No binding relies on its bytes, or the spec consents.
func (p *planner) mayReleaseCollected() bool {
	return p.ownership == material.Collected && p.recordIsGone() && p.Secret.Type == signetv1alpha1.SecretType &&
		!p.Secret.DeletionTimestamp.IsZero() && signetv1alpha1.IsProtected(p.Secret) && (!p.HasHolder || p.consents()) && !p.terminating() && !p.releasesAll()
}

// lossReported reports whether status contains the loss of the Secret, or that it is
// being deleted with what bindings rely on: only then is a change of the trigger a
// consent.
func (p *planner) lossReported() bool {
	condition := meta.FindStatusCondition(p.Key.Status.Conditions, signetv1alpha1.ConditionReady)
	return condition != nil && (condition.Reason == signetv1alpha1.ReasonSecretLost ||
		condition.Reason == signetv1alpha1.ReasonSecretTerminating && condition.Status == metav1.ConditionFalse)
}

// consents reports whether the spec allows new material in place of lost one.
func (p *planner) consents() bool {
	trigger := p.Key.Trigger()
	return p.lossReported() && trigger != "" && trigger != p.Key.Status.ObservedTrigger && !p.terminating()
}
