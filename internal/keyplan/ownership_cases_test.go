// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	beingCollected = `Secret "orders" belongs to an earlier SignatureKey of this name and is being removed. This resolves without action. If it takes longer than a minute, check the finalizers of the Secret, or delete it.`
	stillRelied    = `Secret "orders" belongs to an earlier SignatureKey of this name and is being deleted, but bindings still rely on it. Save its content if you need it. To remove it and generate new material, set spec.rotation.trigger to another value.`
	unproven       = `Secret "orders" is not the one that this key had: that one is gone, and nothing proves that Signet wrote this one. Delete it to generate new material, or restore the Secret from a backup without owner references.`
	replaced       = `Secret "orders" was replaced: bindings use the key, and this Secret has other values or an owner. Restore it from a backup without owner references, or set spec.rotation.trigger to another value to adopt its values.`
	adoptedMessage = `Adopted existing Secret "orders" with version active-id.`
	unlabeledOwn   = `Secret "orders" exists but is not managed by this key (type signet.dev/signature-key, without the label signet.dev/signature-key, controlled by SignatureKey "orders"). Delete it, or create the key with another spec.target.name.`
)

var (
	// otherSet has other values under the ID on record.
	otherSet = testSet(func(s *material.Set) { s.Active.Secret = material.Bytes(otherSecret) })
	// sentSet is another version.
	sentSet = testSet(func(s *material.Set) { s.Active.ID, s.Active.Secret = "sent-id", material.Bytes(otherSecret) })
	// replacement is a Secret with another UID than the one on record.
	replacement  = gen.WithUID("replacement-uid")
	collected    = gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences[0].UID = "earlier-uid" })
	onlyKeyLabel = gen.SecretFunc(func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelMaterial) })

	// relied is a bound key whose name has the protected and deleted Secret of an earlier
	// key.
	relied = func(key *signetv1alpha1.SignatureKey) Observation {
		return Observation{
			Key: key, Users: []string{"shop"}, HasHolder: true,
			Secret: testSecret(testKey(), activeSet, collected, gen.WithFinalizers(protection), gen.DeletedAt(earlier)),
		}
	}

	waitsForCollection = Plan{
		Status: statusOf(waiting(testNow, signetv1alpha1.ReasonSecretTerminating, beingCollected), notBound(testNow)),
		Events: []event{normal(signetv1alpha1.ReasonSecretTerminating, beingCollected)}, RequeueAfter: fiveMinutes,
	}
	replacedUID = func(s *signetv1alpha1.SignatureKeyStatus) { s.SecretUID = "replacement-uid" }
	// lostTo is a bound key whose Secret another client has replaced by this one.
	lostTo = func(secret *corev1.Secret, options ...gen.KeyOption) Observation {
		return with(bound(activeSet, options...), func(o *Observation) { o.Secret, o.SecretLive = secret, true })
	}
	renewedOther = renamedSet.WithTriggers("renew", "")
)

var ownershipCases = map[string]planCase{
	"a Secret of an earlier key is waited for, not adopted": {
		observation: Observation{Key: testKey(), Secret: testSecret(testKey(), activeSet, collected)}, want: waitsForCollection,
	},
	"a Secret of an earlier key that no cache shows is read again": {
		observation: Observation{Key: testKey(), SecretLive: true, Secret: testSecret(testKey(), activeSet, collected, unlabeled)},
		want: Plan{
			Status: waitsForCollection.Status, Events: waitsForCollection.Events, RequeueAfter: LiveReadInterval,
			Answer: status.Waiting(signetv1alpha1.ReasonSecretTerminating, beingCollected),
		},
	},
	"a Secret of an earlier key that was read is waited for": {
		observation: Observation{Key: testKey(), Answer: LiveAnswer{
			Readiness: status.Waiting(signetv1alpha1.ReasonSecretTerminating, beingCollected), Left: lostAnswer().Left,
		}},
		want: Plan{Status: waitsForCollection.Status, Events: waitsForCollection.Events, RequeueAfter: lostAnswer().Left},
	},
	"the finalizer that alone keeps a deleted Secret of an earlier key is removed": {
		observation: Observation{
			Key: testKey(), Users: []string{"shop"}, Releasing: true,
			Secret: testSecret(testKey(), activeSet, collected, gen.WithFinalizers(protection), gen.DeletedAt(earlier)),
		},
		want: Plan{
			Protection: ReleaseCollected, RequeueAfter: fiveMinutes,
			Status: statusOf(waiting(testNow, signetv1alpha1.ReasonSecretTerminating, beingCollected), boundToShop(testNow)),
			Events: []event{normal(signetv1alpha1.ReasonSecretTerminating, beingCollected)},
		},
	},
	"a deleted Secret of an earlier key is kept while a binding relies on it": {
		observation: relied(testKey(isProtected, gen.WithTrigger("first"))),
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretTerminating, stillRelied), boundToShop(testNow), observed("first", "")),
			Events: []event{warning(signetv1alpha1.ReasonSecretTerminating, stillRelied)},
		},
	},
	"a deleted Secret of an earlier key is released by the trigger": {
		observation: with(relied(testKey(isProtected, gen.WithTrigger("renew"), withStatus(
			stalled(earlier, signetv1alpha1.ReasonSecretTerminating, stillRelied), boundToShop(earlier), observed("first", "")))),
			func(o *Observation) { o.Releasing = true }),
		want: Plan{
			Protection: ReleaseCollected,
			Status:     statusOf(stalled(earlier, signetv1alpha1.ReasonSecretTerminating, stillRelied), boundToShop(earlier), observed("first", "")),
		},
	},
	"a Secret with the key's owner reference but without its label is not the key's": {
		observation: Observation{Key: testKey(), SecretLive: true, Secret: testSecret(testKey(), activeSet, unlabeled)},
		want:        conflictRead(unlabeledOwn),
	},
	"a bound key is not fooled by an owner reference either": {
		observation: lostTo(testSecret(testKey(), activeSet, unlabeled, replacement)),
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, unlabeledOwn), boundToShop(earlier), recording(activeSet)),
			Events: []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, unlabeledOwn)}, RequeueAfter: LiveReadInterval,
			Answer: status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, unlabeledOwn),
		},
	},
	"a bound key whose Secret has lost its labels continues": {
		observation: lostTo(testSecret(testKey(), activeSet, unlabeled, gen.WithFinalizers(protection))),
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), boundToShop(earlier)),
			Secret: write(testSecret(testKey(), activeSet, unlabeled, gen.WithFinalizers(protection)), protectedSecret),
		},
	},
	"a bound key whose Secret is retained and has lost its labels continues": {
		observation: lostTo(testSecret(testKey(), activeSet, retained, unlabeled, gen.WithFinalizers(protection)), gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain)),
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), boundToShop(earlier)),
			Secret: write(testSecret(testKey(), activeSet, retained, unlabeled, gen.WithFinalizers(protection)), testSecret(testKey(), activeSet, retained, gen.WithFinalizers(protection))),
		},
	},
	"a Secret with the bytes on record takes the place of the one that is gone": {
		observation: lostTo(testSecret(testKey(), activeSet, retained, replacement)),
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), boundToShop(earlier), replacedUID),
			Secret: write(testSecret(testKey(), activeSet, retained, replacement), testSecret(testKey(), activeSet, replacement, gen.WithFinalizers(protection))),
			Events: []event{normal(eventAdopted, adoptedMessage)},
		},
	},
	"a Secret with other values in place of the one of a bound key is a loss": {
		observation: lostTo(testSecret(testKey(), otherSet, retained, replacement)),
		want: Plan{
			Status: statusOf(lostNow(replaced), boundToShop(earlier), recording(activeSet), observed("", "")),
			Events: []event{warning(signetv1alpha1.ReasonSecretLost, replaced)},
		},
	},
	"a Secret with an owner in place of the one of a bound key is a loss, whatever its values": {
		observation: lostTo(testSecret(testKey(), activeSet, replacement)),
		want: Plan{
			Status: statusOf(lostNow(replaced), boundToShop(earlier), recording(activeSet), observed("", "")),
			Events: []event{warning(signetv1alpha1.ReasonSecretLost, replaced)},
		},
	},
	"a loss to a Secret that no cache shows is remembered for a time": {
		observation: lostTo(testSecret(testKey(), otherSet, retained, replacement, onlyKeyLabel)),
		want: Plan{
			Answer: status.Stalled(signetv1alpha1.ReasonSecretLost, replaced), RequeueAfter: LiveReadInterval,
			Status: statusOf(lostNow(replaced), boundToShop(earlier), recording(activeSet), observed("", "")),
			Events: []event{warning(signetv1alpha1.ReasonSecretLost, replaced)},
		},
	},
	"a new trigger is the consent to adopt other values": {
		observation: lostTo(testSecret(testKey(), otherSet, replacement), gen.WithTrigger("renew"),
			withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, replaced), boundToShop(earlier), recording(activeSet))),
		want: Plan{
			RotationState: renewedOther.RotationState(),
			Status:        statusOf(ready(testNow), boundToShop(earlier), settled(testNow, drawnID(1)), showing(renewedOther), replacedUID),
			Secret:        write(testSecret(testKey(), otherSet, replacement), testSecret(testKey(), renewedOther, replacement, gen.WithFinalizers(protection))),
			Events:        []event{normal(eventAdopted, `Adopted existing Secret "orders" with version 01010101010101010101010101010101.`), readyEvent()},
		},
	},
	"a Secret with other values in place of the one of an unbound key has to be removed": {
		observation: Observation{Key: readyKey(activeSet), GoneUID: secretUID, Secret: testSecret(testKey(), otherSet, retained, replacement)},
		want: Plan{
			Terminal: true,
			Status:   statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, unproven), notBound(earlier), recording(activeSet)),
			Events:   []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, unproven)},
		},
	},
	"a Secret that this process has created late is adopted by an unbound key": {
		observation: Observation{
			Key: readyKey(activeSet), GoneUID: secretUID, SecretSent: true, Secret: testSecret(testKey(), sentSet, replacement),
		},
		want: Plan{
			RotationState: sentSet.RotationState(),
			Status:        statusOf(ready(earlier), notBound(earlier), settled(earlier, sentSet.Active.ID), showing(sentSet), replacedUID),
		},
	},
	"a Secret that this process has created late is a loss for a bound key": {
		observation: with(lostTo(testSecret(testKey(), sentSet, replacement)), func(o *Observation) { o.SecretSent = true }),
		want: Plan{
			Status: statusOf(lostNow(replaced), boundToShop(earlier), recording(activeSet), observed("", "")),
			Events: []event{warning(signetv1alpha1.ReasonSecretLost, replaced)},
		},
	},
	"a Secret that a status without UIDs describes is put on record": {
		observation: Observation{Key: readyKey(activeSet, withoutUID), Secret: activeSecret},
		want:        Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet))},
	},
	"all Secrets of Signet's type are released in a namespace that is being deleted": {
		observation: Observation{
			Key: readyKey(activeSet), NamespaceTerminating: true, SecretLive: true, Releasing: true,
			Secret: testSecret(testKey(), activeSet, unlabeled, replacement, gen.WithFinalizers(protection), deletedBefore),
		},
		want: func() Plan {
			plan := conflictRead(unlabeledOwn)
			plan.Protection = RemoveProtection
			plan.Status = statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, unlabeledOwn), notBound(earlier), recording(activeSet))
			return plan
		}(),
	},
	"a Secret of another type keeps its finalizer in a namespace that is being deleted": {
		observation: Observation{
			Key: testKey(), NamespaceTerminating: true,
			Secret: gen.SourceSecret("orders", nil, gen.InNamespace("shop"), isProtected, gen.SecretFunc(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })),
		},
		want: conflict(notManaged, true),
	},
	"the absence of the Secret in a namespace that is being deleted is remembered": {
		observation: Observation{Key: readyKey(activeSet), NamespaceTerminating: true, SecretLive: true},
		want: Plan{
			Answer: namespaceTerminating(), RequeueAfter: fiveMinutes,
			Status: statusOf(waiting(testNow, signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing), notBound(earlier), recording(activeSet)),
			Events: []event{normal(signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing)},
		},
	},
	"owners that other clients have added are removed": {
		observation: Observation{Key: readyKey(activeSet), Secret: testSecret(testKey(), activeSet, coOwned)},
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet)),
			Secret: write(testSecret(testKey(), activeSet, coOwned), activeSecret),
		},
	},
}

var coOwned = gen.SecretFunc(func(s *corev1.Secret) {
	s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "web", UID: "web-uid"})
})
