// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	corev1 "k8s.io/api/core/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	usedMessage    = "Used by 1 binding: shop."
	blockedMessage = "The key is being deleted but keeps signing while it is used by 1 binding: shop. Delete each, or move it to another key."
	usedByMany     = "Used by 12 bindings: b00, b01, b02, b03, b04, b05, b06, b07, b08, b09 and 2 more."
)

var (
	isProtected     = gen.WithFinalizers(protection)
	deletedNow      = gen.DeletedAt(testNow)
	protectedSecret = testSecret(testKey(), activeSet, isProtected)
	manyUsers       = []string{"b00", "b01", "b02", "b03", "b04", "b05", "b06", "b07", "b08", "b09", "b10", "b11"}
	unprotectedKey  = with(bound(activeSet), func(o *Observation) { o.Key.Finalizers, o.Secret = nil, activeSecret })
)

var protectionCases = map[string]planCase{
	"bindings that hold nothing protect nothing": {
		observation: Observation{Key: readyKey(activeSet), Secret: activeSecret, Users: manyUsers},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), usedBy(testNow, signetv1alpha1.ReasonBound, usedByMany, 12, manyUsers[:10]...)),
		},
	},
	"a holder restores the protection of Secret and key": {
		observation: Observation{Key: readyKey(activeSet), Secret: activeSecret, Users: []string{"shop"}, HasHolder: true},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(activeSecret, protectedSecret), Protection: RestoreProtection,
			Status: statusOf(readyWith(activeSet), boundToShop(testNow)),
		},
	},
	"a holder restores the protection of the key alone": {
		observation: with(unprotectedKey, func(o *Observation) { o.Secret = protectedSecret.DeepCopy() }),
		want: Plan{
			RotationState: activeSet.RotationState(), Protection: RestoreProtection, Status: statusOf(readyWith(activeSet), boundToShop(earlier)),
		},
	},
	"a holder restores the protection of a key that waits for its source": {
		observation: with(unprotectedKey, func(o *Observation) { gen.WithSource("own")(o.Key) }),
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(activeSecret, protectedSecret), Protection: RestoreProtection,
			Status: statusOf(readyWith(activeSet), boundToShop(earlier), resting(earlier),
				waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource)),
			Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)}, RequeueAfter: fiveMinutes,
		},
	},
	"a deleted key cannot be protected any longer": {
		observation: with(unprotectedKey, func(o *Observation) {
			gen.WithFinalizers("example.com/other")(o.Key)
			gen.DeletedAt(testNow)(o.Key)
			o.Secret = protectedSecret.DeepCopy()
		}),
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blockedMessage, 1, "shop")),
			Events:        []event{normal(signetv1alpha1.ReasonDeletionBlocked, blockedMessage)},
		},
	},
	"nothing is protected in a namespace that is being deleted": {
		observation: with(unprotectedKey, func(o *Observation) { o.NamespaceTerminating = true }),
		want:        Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), boundToShop(earlier))},
	},
	"a protected key in use stays as it is": {
		observation: with(bound(activeSet), func(o *Observation) { o.Secret = protectedSecret.DeepCopy() }),
		want:        Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), boundToShop(earlier))},
	},
	"a key that is no longer used loses its protection": {
		observation: Observation{
			Releasing: true,
			Key:       readyKey(activeSet, isProtected, withStatus(readyWith(activeSet), boundToShop(earlier))), Secret: protectedSecret,
		},
		want: Plan{
			RotationState: activeSet.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(activeSet), notBound(testNow)),
		},
	},
	"a key that is no longer used in a namespace that is being deleted loses its protection, and nothing else": {
		observation: Observation{
			Releasing: true, NamespaceTerminating: true,
			Key: readyKey(activeSet, isProtected, withStatus(readyWith(activeSet), boundToShop(earlier))), Secret: protectedSecret,
		},
		want: Plan{
			RotationState: activeSet.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(activeSet), boundToShop(earlier)),
		},
	},
	"a Secret that alone is protected loses its protection": {
		observation: Observation{Key: readyKey(activeSet), Secret: protectedSecret, Releasing: true},
		want: Plan{
			RotationState: activeSet.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(activeSet)),
		},
	},
	"a key that alone is protected loses its protection": {
		observation: Observation{Key: readyKey(activeSet, isProtected), Secret: activeSecret, Releasing: true},
		want: Plan{
			RotationState: activeSet.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(activeSet)),
		},
	},
	"a key that a late write may grant keeps its protection, and is examined again soon": {
		observation: with(bound(activeSet), func(o *Observation) {
			o.Secret, o.Releasing, o.Unsettled = protectedSecret.DeepCopy(), true, true
		}),
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), boundToShop(earlier)), RequeueAfter: unsettledInterval,
		},
	},
	"a key that a binding has just been granted keeps its protection": {
		observation: with(bound(activeSet), func(o *Observation) { o.Secret, o.Releasing = protectedSecret.DeepCopy(), true }),
		want:        Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), boundToShop(earlier))},
	},
	"another Secret does not keep the protection of an unused key": {
		observation: Observation{
			Key: testKey(isProtected), Releasing: true,
			Secret: gen.SourceSecret("orders", nil, gen.InNamespace("shop"), isProtected, gen.SecretFunc(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })),
		},
		want: Plan{
			Protection: RemoveKeyProtection, Terminal: true,
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, notManaged), notBound(testNow)),
			Events: []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, notManaged)},
		},
	},
	"a deleted Secret that alone is protected protects its key, which releases it": {
		observation: Observation{Key: readyKey(activeSet), Secret: testSecret(testKey(), activeSet, isProtected, deletedBefore)},
		want: Plan{
			RotationState: activeSet.RotationState(), Protection: RestoreProtection,
			Status: statusOf(readyWith(activeSet), readyAs(earlier, signetv1alpha1.ReasonSecretTerminating, secretProtected)),
			Events: []event{normal(signetv1alpha1.ReasonSecretTerminating, secretProtected)},
		},
	},
	"all protection is removed in a namespace that is being deleted": {
		observation: with(bound(activeSet), func(o *Observation) {
			o.Secret, o.NamespaceTerminating, o.Releasing = protectedSecret.DeepCopy(), true, true
		}),
		want: Plan{
			RotationState: activeSet.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(activeSet), boundToShop(earlier)),
		},
	},
	"a deleted key in use is blocked and keeps signing": {
		observation: with(bound(activeSet, deletedNow), func(o *Observation) { o.Secret = protectedSecret.DeepCopy() }),
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blockedMessage, 1, "shop")),
			Events:        []event{normal(signetv1alpha1.ReasonDeletionBlocked, blockedMessage)},
		},
	},
	"a deleted key that is not used loses its protection, and nothing else happens": {
		observation: Observation{
			Releasing: true,
			Key:       readyKey(activeSet, isProtected, deletedNow, gen.WithTrigger("again"), gen.WithIdentifier("no good?")),
			Secret:    testSecret(testKey(), activeSet, isProtected, deletedBefore),
		},
		want: Plan{Protection: RemoveProtection, Status: statusOf(readyWith(activeSet))},
	},
	"a deleted key in use loses its protection if its namespace is being deleted": {
		observation: with(bound(activeSet, deletedNow), func(o *Observation) {
			o.Secret, o.NamespaceTerminating, o.Releasing = protectedSecret.DeepCopy(), true, true
		}),
		want: Plan{
			Protection: RemoveProtection,
			Status:     statusOf(readyWith(activeSet), usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blockedMessage, 1, "shop")),
			Events:     []event{normal(signetv1alpha1.ReasonDeletionBlocked, blockedMessage)},
		},
	},
}
