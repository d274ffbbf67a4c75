// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// planPublic makes the public ConfigMap as desired before and after the write of
// the Secret. If the name belongs to another owner no step of a rotation is
// taken, because backends could not learn of it.
func (p *planner) planPublic() (bool, error) {
	switch {
	case p.Key.Spec.Type != signetv1alpha1.KeyTypePublicKey:
		return false, nil
	case p.Public == nil && p.blocked():
		p.requeueAfter(p.Answer.Left)
		return p.refusePublic(p.Answer.Readiness), nil
	case p.Public == nil && !p.PublicLive:
		return false, errPublicNotReadLive
	case p.Public == nil && (p.NamespaceTerminating || p.CreateRefused):
		return p.waitForNamespace(), nil
	case p.Public != nil && !publicOwnedBy(p.Public, p.Key):
		return p.refusePublic(p.publicConflict()), nil
	}
	p.planPublicData()
	return false, nil
}

// publicConflict returns the readiness of a key whose public ConfigMap's name
// belongs to another owner. It is remembered for a ConfigMap without Signet's
// label, because no watch reports when that is gone.
func (p *planner) publicConflict() status.Readiness {
	conflict := status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("ConfigMap", p.Public, ""))
	if _, cached := p.Public.Labels[signetv1alpha1.LabelMaterial]; !cached {
		p.plan.Answer = conflict
		p.requeueAfter(LiveReadInterval)
	}
	return conflict
}

// planPublicData plans the writes before and after the write of the Secret.
func (p *planner) planPublicData() {
	before, after := p.next.Public(), p.next.Public()
	if p.current != nil {
		before = p.current.Union(p.next).Public()
	}
	plan := &ConfigMapPlan{Observed: p.Public}
	if desired := p.desiredPublic(before); p.Public == nil || !equality.Semantic.DeepEqual(p.Public, desired) {
		plan.BeforeSecret = desired
	}
	if !maps.Equal(before, after) {
		plan.AfterSecret = after
	}
	if plan.BeforeSecret != nil || plan.AfterSecret != nil {
		p.plan.Public = plan
	}
}

// refusePublic reports that the public ConfigMap's name belongs to another
// owner, and ends the plan if there would be another version.
func (p *planner) refusePublic(conflict status.Readiness) (decided bool) {
	p.setReady(conflict)
	if p.current == nil {
		p.clearMaterialStatus()
		return true
	}
	return p.current.RotationState() != p.next.RotationState()
}

// publicOwnedBy reports whether the ConfigMap has the key's label and no other
// controller.
func publicOwnedBy(configMap *corev1.ConfigMap, key *signetv1alpha1.SignatureKey) bool {
	return configMap.Labels[signetv1alpha1.LabelKey] == key.Name && material.OtherController(configMap, key) == nil
}
