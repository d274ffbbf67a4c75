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
// the Secret. If the name belongs to another owner nothing is adopted or created,
// because backends could not learn of it. A key with a version on record has
// published it: it takes the name back.
func (p *planner) planPublic() (bool, error) {
	switch {
	case p.Key.Spec.Type != signetv1alpha1.KeyTypePublicKey:
		return false, nil
	case p.Public == nil && p.blocked() && !p.hasRecord():
		p.requeueAfter(p.Answer.Left)
		return p.refusePublic(p.Answer.Readiness), nil
	case p.Public == nil && !p.PublicLive && (p.hasRecord() || p.NameTaken):
		return false, errPublicNotReadLive
	case p.Public == nil && (p.NamespaceTerminating || p.CreateRefused):
		return p.waitForNamespace(), nil
	case p.Public != nil && !p.ownsPublic():
		return p.refusePublic(p.publicConflict()), nil
	}
	p.planPublicData()
	return false, nil
}

// publicConflict returns the readiness of a key whose public ConfigMap's name
// belongs to another owner.
func (p *planner) publicConflict() status.Readiness {
	conflict := status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("ConfigMap", p.Public, ""))
	p.rememberUnwatched(p.Public, conflict)
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

// refusePublic ends the plan because the public ConfigMap's name belongs to
// another owner.
func (p *planner) refusePublic(conflict status.Readiness) (decided bool) {
	p.setReady(conflict)
	p.clearMaterialStatus()
	return true
}

func (p *planner) ownsPublic() bool { return OwnsPublic(p.Public, p.Key) }

// OwnsPublic reports whether the ConfigMap with the name of the key's public one is the
// key's: its name is, once the key has a version on record. It is only written, and
// never read for material.
func OwnsPublic(public *corev1.ConfigMap, key *signetv1alpha1.SignatureKey) bool {
	return hasRecord(key) || material.IsPublicOwnedBy(public, key)
}
