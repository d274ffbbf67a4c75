// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/gen"
)

type event = status.Event

const (
	noSource         = `Secret "own" does not exist or lacks the label signet.dev/signature-material: "true". Create or label it.`
	invalidSpec      = "Invalid spec: spec.identifier: an HMAC identifier has 8 to 32 letters, digits, underscores and dashes, starting with a letter or digit."
	missing          = `Secret "orders" is missing but bindings use the key. Restore it from a backup, or set spec.rotation.trigger to another value to generate new material.`
	unusable         = `Secret "orders" contains no usable material. Restore it from a backup, or set spec.rotation.trigger to another value to generate new material.`
	notManaged       = `Secret "orders" exists but is not managed by this key (type Opaque). Delete it, or create the key with another spec.target.name.`
	typeNotEnabled   = "Keys of type PublicKey are not enabled. Start the manager with --public-key-enable, or use another type."
	typeStillSigns   = "The key keeps signing, but new keys of type PublicKey are not enabled. Start the manager with --public-key-enable, or move the bindings to a key of another type."
	namespaceGoing   = "The namespace is being deleted, so nothing can be created in it. This resolves without action."
	secretProtected  = `Secret "orders" is being deleted but is protected. It keeps working and is removed with the key. To replace it, move the bindings to another key and delete this one.`
	secretGoing      = `Secret "orders" is being deleted. New material is generated when it is gone. If that takes long, check its finalizers.`
	noMaterial       = `Secret "orders" contains no material that Signet has written for this key. Delete it, or restore it from a backup.`
	secretUnprotects = `Secret "orders" is being deleted and can no longer be protected. Save its content now, and restore it when it is gone.`
	fiveMinutes      = 5 * time.Minute
)

// bound is the observation of a protected key that the binding "shop" holds an
// API with, without its Secret.
func bound(set *material.Set, options ...gen.KeyOption) Observation {
	key := readyKey(set, append([]gen.KeyOption{gen.WithFinalizers(protection)}, options...)...)
	boundToShop(earlier)(&key.Status)
	return Observation{Key: key, Users: []string{"shop"}, HasHolder: true}
}

const (
	generatedMessage = `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`
)

var (
	generatedSet   = testSet(func(activeSet *material.Set) { activeSet.Active, activeSet.Salt = drawn(), drawnSalt(5) })
	triggeredSet   = generatedSet.WithTriggers("first", "")
	generatedBasic = testSet(func(set *material.Set) {
		set.Type, set.Active, set.Salt = signetv1alpha1.KeyTypeBasic, drawn(), drawnSalt(5)
	})
	generatedAES = testSet(func(set *material.Set) {
		set.Type, set.Algorithm, set.Salt = signetv1alpha1.KeyTypeAES, signetv1alpha1.AlgorithmAES256CFB, drawnSalt(5)
		set.Active = drawn()
		set.Active.Secret = set.Active.Secret[:16]
	})
	createdPlan = created(generatedSet)
)

// created is the plan of a new key that gets the material.
func created(set *material.Set) Plan {
	return Plan{
		Secret: create(newSecret(testKey(), set)),
		Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), creating(set)),
		Events: []event{normal(eventGenerated, generatedMessage)},
	}
}

var generationCases = map[string]planCase{
	"a new key gets material": {observation: Observation{Key: testKey(), SecretLive: true}, want: createdPlan},
	"the triggers of a new key ask for nothing": {
		observation: Observation{Key: testKey(gen.WithTrigger("first")), SecretLive: true},
		want: Plan{
			Secret: create(newSecret(testKey(), triggeredSet)),
			Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), creating(triggeredSet)),
			Events: createdPlan.Events,
		},
	},
	"a new Basic key gets derived data": {
		observation: Observation{Key: testKey(gen.WithType(signetv1alpha1.KeyTypeBasic)), SecretLive: true},
		want:        created(generatedBasic),
	},
	"the cipher key of a new AES key is not published": {
		observation: Observation{Key: testKey(gen.WithAES(signetv1alpha1.AlgorithmAES256CFB)), SecretLive: true},
		want:        created(generatedAES),
	},
	"an unbound key whose Secret is gone forgets it first": {
		observation: Observation{Key: readyKey(activeSet), SecretLive: true},
		want:        Plan{Status: statusOf(ready(earlier), notBound(earlier), observed("", "")), RequeueAfter: StepInterval},
	},
	"an unbound key whose Secret is gone gets new material": {
		observation: Observation{Key: testKey(withStatus(ready(earlier), notBound(earlier)))},
		want: Plan{
			Secret: create(newSecret(testKey(), generatedSet)),
			Status: statusOf(ready(earlier), notBound(earlier), settled(testNow, drawnID(4)), creating(generatedSet)),
			Events: []event{normal(eventGenerated, generatedMessage)},
		},
	},
	"a key that bindings name but that was never granted gets new material, too": {
		observation: Observation{Key: testKey(withStatus(ready(earlier), notBound(earlier))), Users: []string{"shop"}},
		want: Plan{
			Secret: create(newSecret(testKey(), generatedSet)),
			Status: statusOf(ready(earlier), settled(testNow, drawnID(4)), creating(generatedSet), boundToShop(testNow)),
			Events: []event{normal(eventGenerated, generatedMessage)},
		},
	},
	"a key whose status is older than the record of UIDs is read live and gets new material at once": {
		observation: Observation{Key: readyKey(activeSet, withoutUID), SecretLive: true},
		want: Plan{
			Secret: create(newSecret(testKey(), generatedSet)),
			Status: statusOf(ready(earlier), notBound(earlier), settled(earlier, drawnID(4)), creating(generatedSet)),
			Events: []event{normal(eventGenerated, generatedMessage)},
		},
	},
	"an invalid spec generates nothing": {
		observation: Observation{Key: testKey(gen.WithIdentifier("no good?"))},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonInvalidSpec, invalidSpec), notBound(testNow)), Terminal: true,
			Events: []event{warning(signetv1alpha1.ReasonInvalidSpec, invalidSpec)},
		},
	},
	"an invalid spec is not followed, and existing material stays in effect": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithIdentifier("no good?"), gen.WithDisplayName("another_name"), gen.WithTrigger("again"),
				gen.WithTemplate(signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{"team": "shop"}})),
			Secret: testSecret(testKey(), activeSet),
		},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status: statusOf(readyWith(activeSet), resting(earlier), stalled(testNow, signetv1alpha1.ReasonInvalidSpec, invalidSpec),
				func(s *signetv1alpha1.SignatureKeyStatus) { s.DisplayName = "another_name" }),
			Terminal: true, Events: []event{warning(signetv1alpha1.ReasonInvalidSpec, invalidSpec)},
		},
	},
	"a type that is not enabled gets no material": {
		observation: Observation{Key: testKey(gen.WithType(signetv1alpha1.KeyTypePublicKey))},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonTypeNotEnabled, typeNotEnabled), notBound(testNow)), Terminal: true,
			Events: []event{warning(signetv1alpha1.ReasonTypeNotEnabled, typeNotEnabled)},
		},
	},
	"nothing is generated in a namespace that is being deleted": {
		observation: Observation{Key: testKey(), NamespaceTerminating: true},
		want: Plan{
			Status: statusOf(waiting(testNow, signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing), notBound(testNow)),
			Events: []event{normal(signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing)}, RequeueAfter: fiveMinutes,
		},
	},
	"nothing is generated where the API server refuses it": {
		observation: Observation{Key: testKey(), SecretLive: true, CreateRefused: true},
		want: Plan{
			Status: statusOf(waiting(testNow, signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing), notBound(testNow)),
			Events: []event{normal(signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing)}, RequeueAfter: fiveMinutes,
		},
	},
	"a namespace that stays is reported after five minutes": {
		observation: Observation{
			Key:                  testKey(withStatus(waiting(testNow.Add(-fiveMinutes), signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing), notBound(earlier))),
			NamespaceTerminating: true,
		},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing), notBound(earlier)),
			Events: []event{warning(signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing)},
		},
	},
	"a deleted key that bindings name gets no material": {
		observation: Observation{
			Key: testKey(gen.WithFinalizers("example.com/other"), gen.DeletedAt(testNow)), Users: []string{"shop"},
		},
		want: func() Plan {
			const message = "The key is being deleted, so no material is generated for it. Move its bindings to another key, or delete them."
			const blocked = "The key is being deleted but keeps signing while it is used by 1 binding: shop. Delete each, or move it to another key."
			return Plan{
				Status: statusOf(stalled(testNow, signetv1alpha1.ReasonKeyTerminating, message),
					usedBy(testNow, signetv1alpha1.ReasonDeletionBlocked, blocked, 1, "shop")),
				Events: []event{
					warning(signetv1alpha1.ReasonKeyTerminating, message), normal(signetv1alpha1.ReasonDeletionBlocked, blocked),
				},
			}
		}(),
	},
}

const (
	newlineMessage = `Secret "own" is invalid: data[secret] ends with a newline. Create the value without one, using printf or kubectl create secret --from-literal.`
)

var (
	sourceOf = func(value string, data map[string]string) *corev1.Secret {
		return gen.SourceSecret("own", data, gen.InNamespace("shop"), gen.WithLabels(map[string]string{signetv1alpha1.LabelMaterial: value}))
	}
	soundSource    = sourceOf("true", map[string]string{"secret": sourceSecret})
	waitsForSource = Plan{
		Status: statusOf(waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource), notBound(testNow)),
		Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)}, RequeueAfter: fiveMinutes,
	}
	refusedSource = func(reason, message string) Plan {
		return Plan{
			Status: statusOf(stalled(testNow, reason, message), notBound(testNow)), Terminal: true,
			Events: []event{warning(reason, message)},
		}
	}
	managedSource = refusedSource(signetv1alpha1.ReasonInvalidSource, `Secret "own" is managed by Signet. Name another Secret in spec.source.secretRef.`)
	halfSupplied  = testSet(func(activeSet *material.Set) {
		activeSet.Active, activeSet.Salt = drawn(), drawnSalt(5)
		activeSet.Active.Secret = material.Bytes(sourceSecret)
	})
	wholeSupplied = testSet(func(activeSet *material.Set) {
		activeSet.Active, activeSet.Salt = drawn(), drawnSalt(5)
		activeSet.Active.Key, activeSet.Active.Secret = material.Bytes(identifier), material.Bytes(sourceSecret)
	})
	ofOwn = func(options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
		return testKey(append([]gen.KeyOption{gen.WithSource("own")}, options...)...)
	}
)

var sourceCases = map[string]planCase{
	"what the source lacks is generated": {
		observation: Observation{Key: ofOwn(), Source: soundSource, SecretLive: true},
		want: Plan{
			Secret: create(newSecret(testKey(), halfSupplied)),
			Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), creating(halfSupplied)),
			Events: []event{normal(eventGenerated, `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`)},
		},
	},
	"both components can be supplied": {
		observation: Observation{Key: ofOwn(gen.WithIdentifier(identifier)), Source: soundSource, SecretLive: true},
		want: Plan{
			Secret: create(newSecret(testKey(), wholeSupplied)),
			Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), creating(wholeSupplied)),
			Events: []event{normal(eventMaterialApplied, `Applied the supplied material: Secret "orders" has version 04040404040404040404040404040404.`)},
		},
	},
	"a missing source is waited for":     {observation: Observation{Key: ofOwn()}, want: waitsForSource},
	"an unlabeled source does not count": {observation: Observation{Key: ofOwn(), Source: sourceOf("no", map[string]string{"secret": sourceSecret})}, want: waitsForSource},
	"a missing source is reported after five minutes": {
		observation: Observation{Key: ofOwn(withStatus(waiting(testNow.Add(-fiveMinutes), signetv1alpha1.ReasonSourceNotFound, noSource), notBound(earlier)))},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSourceNotFound, noSource), notBound(earlier)),
			Events: []event{warning(signetv1alpha1.ReasonSourceNotFound, noSource)},
		},
	},
	"material stays in effect without its source": {
		observation: Observation{Key: readyKey(activeSet, gen.WithSource("own")), Secret: testSecret(testKey(), activeSet)},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), resting(earlier), waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource)),
			Events:        waitsForSource.Events, RequeueAfter: fiveMinutes,
		},
	},
	"a managed Secret is no source": {observation: Observation{Key: ofOwn(), Source: sourceOf("managed", map[string]string{"secret": sourceSecret})}, want: managedSource},
	"a Secret of Signet's type is no source": {
		observation: Observation{Key: ofOwn(), Source: gen.SourceSecret("own", map[string]string{"secret": sourceSecret},
			gen.SecretFunc(func(s *corev1.Secret) { s.Type = signetv1alpha1.SecretType }))},
		want: managedSource,
	},
	"the secret key of an AES key must not be published": {
		observation: Observation{
			Key: ofOwn(), Source: sourceOf("true", map[string]string{"key": "0123456789abcdef"}), CipherKeys: []string{"sealed", "second"},
		},
		want: refusedSource(signetv1alpha1.ReasonInvalidSource, `Secret "own" supplies SignatureKey "sealed" of type AES, whose key is secret, `+
			`but the key of this type is public. Name another Secret in spec.source.secretRef.`),
	},
	"a source with a newline is invalid": {
		observation: Observation{Key: ofOwn(), Source: sourceOf("true", map[string]string{"secret": sourceSecret + "\n"})},
		want:        refusedSource(signetv1alpha1.ReasonInvalidMaterial, newlineMessage),
	},
	"a source without components is invalid": {
		observation: Observation{Key: ofOwn(), Source: sourceOf("true", nil)},
		want:        refusedSource(signetv1alpha1.ReasonInvalidMaterial, `Secret "own" is invalid: data must contain key, secret or both.`),
	},
	"two different identifiers are invalid": {
		observation: Observation{Key: ofOwn(gen.WithIdentifier(identifier)), Source: sourceOf("true", map[string]string{"key": "another_app"})},
		want: refusedSource(signetv1alpha1.ReasonInvalidMaterial,
			`Secret "own" is invalid: data[key] differs from spec.identifier of SignatureKey "orders". Supply only one of them, or equal values.`),
	},
	"material stays in effect when its source becomes invalid": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithSource("own")), Secret: testSecret(testKey(), activeSet),
			Source: sourceOf("true", map[string]string{"secret": sourceSecret + "\n"}),
		},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), resting(earlier), stalled(testNow, signetv1alpha1.ReasonInvalidMaterial, newlineMessage)),
			Terminal:      true, Events: []event{warning(signetv1alpha1.ReasonInvalidMaterial, newlineMessage)},
		},
	},
}

// blockedAnswer is what a live read has led to that found another object.
func blockedAnswer() LiveAnswer {
	return LiveAnswer{Readiness: status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, notManaged), Left: 40 * time.Second}
}

// lostAnswer is what a live read has led to that found no Secret of a bound key.
func lostAnswer() LiveAnswer {
	return LiveAnswer{Readiness: status.Stalled(signetv1alpha1.ReasonSecretLost, missing), Left: 40 * time.Second}
}

const (
	conflictAdvice = " Delete it, or create the key with another spec.target.name."
)

var (
	webConfigMap = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "web-uid"}}
	controlled   = gen.SecretFunc(func(s *corev1.Secret) {
		s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(webConfigMap, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	})
	otherObject     = gen.SourceSecret("orders", nil, gen.InNamespace("shop"), gen.SecretFunc(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }))
	unlabeledObject = gen.SourceSecret("orders", nil, gen.InNamespace("shop"), gen.SecretFunc(func(s *corev1.Secret) { s.Type, s.Labels = corev1.SecretTypeOpaque, nil }))
	conflict        = func(message string, terminal bool) Plan {
		return Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, message), notBound(testNow)), Terminal: terminal,
			Events: []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, message)},
		}
	}
	conflictRead = func(message string) Plan {
		plan := conflict(message, false)
		plan.Answer, plan.RequeueAfter = status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, message), LiveReadInterval
		return plan
	}
	readConflict       = conflictRead(notManaged)
	rememberedConflict = func() Plan {
		plan := conflict(notManaged, false)
		plan.RequeueAfter = blockedAnswer().Left
		return plan
	}()
	lostToOther = bound(testSet())
	basicSet    = testSet(func(set *material.Set) { set.Type = signetv1alpha1.KeyTypeBasic })
)

var conflictCases = map[string]planCase{
	"another Secret in the cache blocks the key":        {observation: Observation{Key: testKey(), Secret: otherObject}, want: conflict(notManaged, true)},
	"another Secret that a live read shows blocks it":   {observation: Observation{Key: testKey(), Secret: unlabeledObject, SecretLive: true}, want: readConflict},
	"another Secret that was read blocks it for a time": {observation: Observation{Key: testKey(), Answer: blockedAnswer()}, want: rememberedConflict},
	"another Secret in place of a lost one blocks a bound key": {
		observation: with(lostToOther, func(o *Observation) { o.Answer = blockedAnswer() }),
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, notManaged), boundToShop(earlier), recording(testSet())),
			Events: readConflict.Events, RequeueAfter: blockedAnswer().Left,
		},
	},
	"the Secret of another key blocks the key": {
		observation: Observation{Key: testKey(), Secret: testSecret(testKey(), testSet(), gen.WithLabels(map[string]string{signetv1alpha1.LabelKey: "other"}))},
		want: conflict(`Secret "orders" exists but is not managed by this key (type signet.dev/signature-key, created for SignatureKey "other", `+
			`controlled by SignatureKey "orders", managed by "signet").`+conflictAdvice, true),
	},
	"a Secret that another object controls blocks the key": {
		observation: Observation{Key: testKey(), Secret: testSecret(testKey(), testSet(), controlled)},
		want: conflict(`Secret "orders" exists but is not managed by this key (type signet.dev/signature-key, created for SignatureKey "orders", `+
			`controlled by ConfigMap "web", managed by "signet").`+conflictAdvice, true),
	},
	"a Secret that only a live read shows and another object controls protects nothing": {
		observation: Observation{
			Key: testKey(), SecretLive: true,
			Secret: testSecret(testKey(), testSet(), unlabeled, controlled, gen.WithFinalizers(protection), gen.DeletedAt(earlier)),
		},
		want: conflictRead(`Secret "orders" exists but is not managed by this key (type signet.dev/signature-key, without the label signet.dev/signature-key, ` +
			`controlled by ConfigMap "web").` + conflictAdvice),
	},
	"material of another type blocks the key": {
		observation: Observation{Key: testKey(), Secret: testSecret(testKey(), basicSet)},
		want:        conflict(`Secret "orders" contains material of another type (Basic).`+conflictAdvice, true),
	},
}

const (
	cannotRenew = "New material may replace the lost material but cannot be generated yet. " + noSource
)

var (
	lostSet  = testSet(noting("before", ""))
	lostNow  = func(message string) statusOption { return stalled(testNow, signetv1alpha1.ReasonSecretLost, message) }
	lossTold = func(options ...gen.KeyOption) Observation {
		o := bound(lostSet, options...)
		o.Key.Status = statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundToShop(earlier), recording(lostSet), observed("before", ""))
		return o
	}
	readAbsent  = func(o *Observation) { o.SecretLive = true }
	renewedSet  = testSet(noting("renew", ""), func(s *material.Set) { s.Active, s.Salt = drawn(), drawnSalt(5) })
	regainedSet = testSet(noting("before", ""), func(s *material.Set) { s.Active, s.Salt = drawn(), drawnSalt(5) })
	brokenBytes = gen.SecretFunc(func(s *corev1.Secret) { s.Data = map[string][]byte{"key": []byte("x")} })
)

var lossCases = map[string]planCase{
	"a bound key whose Secret is gone has lost its material": {
		observation: with(bound(lostSet, gen.WithTrigger("before")), readAbsent),
		want: Plan{
			Answer: lostAnswer().Readiness, Status: statusOf(lostNow(missing), boundToShop(earlier), recording(lostSet), observed("before", "")),
			Events: []event{warning(signetv1alpha1.ReasonSecretLost, missing)}, RequeueAfter: LiveReadInterval,
		},
	},
	"the trigger that is set when the loss is found is no consent": {
		observation: with(bound(lostSet, gen.WithRotation(signetv1alpha1.Rotation{Trigger: "changed", RevokeTrigger: "leak"})), readAbsent),
		want: Plan{
			Answer: lostAnswer().Readiness, Status: statusOf(lostNow(missing), boundToShop(earlier), recording(lostSet), observed("changed", "leak")),
			Events: []event{warning(signetv1alpha1.ReasonSecretLost, missing)}, RequeueAfter: LiveReadInterval,
		},
	},
	"a loss that was read is remembered for a time": {
		observation: with(lossTold(gen.WithTrigger("before")), func(o *Observation) { o.Answer = lostAnswer() }),
		want: Plan{
			Status:       statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundToShop(earlier), recording(lostSet), observed("before", "")),
			RequeueAfter: lostAnswer().Left,
		},
	},
	"a trigger that is removed is no consent": {
		observation: with(lossTold(), func(o *Observation) { o.Answer = lostAnswer() }),
		want: Plan{
			Status:       statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundToShop(earlier), recording(lostSet), observed("before", "")),
			RequeueAfter: lostAnswer().Left,
		},
	},
	"a loss takes precedence over an invalid spec": {
		observation: with(bound(lostSet, gen.WithIdentifier("no good?")), readAbsent),
		want: Plan{
			Answer: lostAnswer().Readiness, Status: statusOf(lostNow(missing), boundToShop(earlier), recording(lostSet), observed("", "")),
			Events: []event{warning(signetv1alpha1.ReasonSecretLost, missing)}, RequeueAfter: LiveReadInterval,
		},
	},
	"bytes that make no key are a loss, even of an unbound key": {
		observation: Observation{Key: readyKey(lostSet), Secret: testSecret(testKey(), lostSet, brokenBytes)},
		want: Plan{
			Status: statusOf(lostNow(unusable), notBound(earlier), recording(lostSet)), Events: []event{warning(signetv1alpha1.ReasonSecretLost, unusable)},
		},
	},
	"modified material of another type is a loss": {
		observation: Observation{
			Key: readyKey(lostSet), Secret: testSecret(testKey(), lostSet, gen.SecretFunc(func(s *corev1.Secret) { s.Data["type"] = []byte("Basic") })),
		},
		want: Plan{
			Status: statusOf(lostNow(unusable), notBound(earlier), recording(lostSet)), Events: []event{warning(signetv1alpha1.ReasonSecretLost, unusable)},
		},
	},
	"a new trigger is the consent to new material": {
		observation: with(lossTold(gen.WithTrigger("renew")), readAbsent),
		want: Plan{
			Secret: create(newSecret(testKey(), renewedSet, gen.WithFinalizers(protection))),
			Status: statusOf(ready(testNow), settled(testNow, drawnID(4)), creating(renewedSet), boundToShop(earlier)),
			Events: []event{normal(eventGenerated, `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`), readyEvent()},
		},
	},
	"a new trigger is also the consent to overwrite bytes that make no key": {
		observation: Observation{
			Key:    readyKey(lostSet, gen.WithTrigger("renew"), withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, unusable), notBound(earlier), recording(lostSet))),
			Secret: testSecret(testKey(), lostSet, brokenBytes),
		},
		want: Plan{
			Secret: write(testSecret(testKey(), lostSet, brokenBytes), testSecret(testKey(), renewedSet)),
			Status: statusOf(ready(testNow), settled(testNow, drawnID(4)), showing(renewedSet), notBound(earlier)),
			Events: []event{normal(eventGenerated, `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`), readyEvent()},
		},
	},
	"lost material of a key that is no longer used is forgotten": {
		observation: with(lossTold(gen.WithTrigger("before")), func(o *Observation) {
			o.Users, o.HasHolder, o.SecretLive, o.Releasing = nil, false, true, true
		}),
		want: Plan{
			Protection:   RemoveKeyProtection,
			Status:       statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), notBound(testNow), observed("before", "")),
			RequeueAfter: StepInterval,
		},
	},
	"forgotten material is generated again": {
		observation: Observation{Key: testKey(gen.WithTrigger("before"),
			withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), notBound(earlier), observed("before", "")))},
		want: Plan{
			Secret: create(newSecret(testKey(), regainedSet)),
			Status: statusOf(ready(testNow), notBound(earlier), settled(testNow, drawnID(4)), creating(regainedSet)),
			Events: []event{normal(eventGenerated, generatedMessage), readyEvent()},
		},
	},
	"a consent that cannot be followed yet is kept": {
		observation: with(lossTold(gen.WithTrigger("renew"), gen.WithSource("own")), readAbsent),
		want: Plan{
			Status: statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, cannotRenew), boundToShop(earlier), recording(lostSet), observed("before", "")),
		},
	},
	"a deleted key cannot consent": {
		observation: with(lossTold(gen.WithTrigger("renew"), gen.DeletedAt(testNow)), readAbsent),
		want: func() Plan {
			const blocked = "The key is being deleted but keeps signing while it is used by 1 binding: shop. Delete each, or move it to another key."
			return Plan{
				Answer: lostAnswer().Readiness, RequeueAfter: LiveReadInterval,
				Status: statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing),
					usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blocked, 1, "shop"), recording(lostSet), observed("before", "")),
				Events: []event{normal(signetv1alpha1.ReasonDeletionBlocked, blocked)},
			}
		}(),
	},
	"a restored Secret is adopted as it is": {
		observation: with(lossTold(gen.WithTrigger("renew")), func(o *Observation) { o.Secret = testSecret(o.Key, lostSet, retained) }),
		want: func() Plan {
			restored := testSet(noting("renew", ""))
			return Plan{
				RotationState: restored.RotationState(),
				Secret: write(testSecret(testKey(), lostSet, retained),
					testSecret(testKey(), restored, gen.WithFinalizers(protection))),
				Status: statusOf(ready(testNow), settled(testNow, "active-id"), showing(restored), boundToShop(earlier)),
				Events: []event{normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent()},
			}
		}(),
	},
}

var (
	deletedBefore    = gen.DeletedAt(testNow.Add(-time.Minute))
	waitsForDeletion = Plan{
		Status: statusOf(waiting(testNow, signetv1alpha1.ReasonSecretTerminating, secretGoing), notBound(earlier), recording(activeSet)),
		Events: []event{normal(signetv1alpha1.ReasonSecretTerminating, secretGoing)}, RequeueAfter: fiveMinutes,
	}
)

var deletionCases = map[string]planCase{
	"a protected Secret that is deleted keeps working": {
		observation: with(bound(activeSet), func(o *Observation) {
			o.Secret = testSecret(o.Key, activeSet, deletedBefore, gen.WithFinalizers(protection))
		}),
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), readyAs(earlier, signetv1alpha1.ReasonSecretTerminating, secretProtected), boundToShop(earlier)),
			Events:        []event{normal(signetv1alpha1.ReasonSecretTerminating, secretProtected)},
		},
	},
	"another problem takes precedence over a protected Secret that is deleted": {
		observation: with(bound(activeSet, gen.WithSource("own")), func(o *Observation) {
			o.Secret = testSecret(o.Key, activeSet, deletedBefore, gen.WithFinalizers(protection))
		}),
		want: Plan{
			RotationState: activeSet.RotationState(), RequeueAfter: fiveMinutes,
			Status: statusOf(readyWith(activeSet), waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource), resting(earlier),
				boundToShop(earlier)),
			Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)},
		},
	},
	"a protected Secret that is deleted is kept even if no binding uses it": {
		observation: Observation{
			Key:    readyKey(activeSet, gen.WithFinalizers(protection)),
			Secret: testSecret(testKey(), activeSet, deletedBefore, gen.WithFinalizers(protection)),
		},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), readyAs(earlier, signetv1alpha1.ReasonSecretTerminating, secretProtected)),
			Events:        []event{normal(signetv1alpha1.ReasonSecretTerminating, secretProtected)},
		},
	},
	"an unprotected Secret that is deleted is waited for": {
		observation: Observation{Key: readyKey(activeSet), Secret: testSecret(testKey(), activeSet, deletedBefore, gen.WithFinalizers("example.com/slow"))},
		want:        waitsForDeletion,
	},
	"an unprotected Secret that stays is reported after five minutes": {
		observation: Observation{
			Key:    testKey(withStatus(waiting(testNow.Add(-fiveMinutes), signetv1alpha1.ReasonSecretTerminating, secretGoing), notBound(earlier))),
			Secret: testSecret(testKey(), activeSet, deletedBefore, gen.WithFinalizers("example.com/slow")),
		},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretTerminating, secretGoing), notBound(earlier)),
			Events: []event{warning(signetv1alpha1.ReasonSecretTerminating, secretGoing)},
		},
	},
	"modified bytes in an unprotected Secret that is deleted are not followed": {
		observation: Observation{
			Key:    readyKey(activeSet),
			Secret: testSecret(testKey(), activeSet, modified, deletedBefore, gen.WithFinalizers("example.com/slow")),
		},
		want: waitsForDeletion,
	},
	"modified bytes in an unprotected Secret of a bound key that is deleted become a version that must be saved": {
		observation: with(bound(activeSet), func(o *Observation) {
			o.Secret = testSecret(o.Key, activeSet, modified, deletedBefore, gen.WithFinalizers("example.com/slow"))
		}),
		want: Plan{
			Secret: write(testSecret(testKey(), activeSet, modified, deletedBefore, gen.WithFinalizers("example.com/slow")),
				testSecret(testKey(), renamedSet, deletedBefore, gen.WithFinalizers("example.com/slow"))),
			Status: statusOf(readyWith(renamedSet), stalled(testNow, signetv1alpha1.ReasonSecretTerminating, secretUnprotects),
				settled(earlier, drawnID(1)), boundToShop(earlier)),
			Events:       []event{warning(eventMaterialModified, modifiedMessage), warning(signetv1alpha1.ReasonSecretTerminating, secretUnprotects)},
			RequeueAfter: StepInterval,
		},
	},
	"an unprotected Secret of a bound key that is deleted must be saved": {
		observation: with(bound(activeSet), func(o *Observation) {
			o.Secret = testSecret(o.Key, activeSet, deletedBefore, gen.WithFinalizers("example.com/slow"))
		}),
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), stalled(testNow, signetv1alpha1.ReasonSecretTerminating, secretUnprotects), boundToShop(earlier)),
			Events:        []event{warning(signetv1alpha1.ReasonSecretTerminating, secretUnprotects)},
		},
	},
}

// withoutUID is a key with a status from before UIDs were recorded.
var withoutUID = gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) { key.Status.SecretUID = "" })

// unlabeled is a Secret without labels: no cache shows it.
var unlabeled = gen.SecretFunc(func(s *corev1.Secret) { s.Labels = nil })

// retained is a managed Secret that its key has left behind.
var retained = gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences = nil })

// modified is a Secret with bytes that another client has written.
var modified = gen.SecretFunc(func(s *corev1.Secret) { s.Data["secret"] = []byte(otherSecret) })

const (
	modifiedMessage = `Another client changed the data of Secret "orders". It is in use as version 01010101010101010101010101010101. Change the source or use spec.rotation instead.`
)

var (
	triggeredActive = testSet(noting("again", ""))
	stagedSet       = testSet(staged(earlier))
	stagedNow       = testSet(staged(testNow))
	renamedSet      = testSet(func(s *material.Set) {
		s.Active.ID, s.Active.Secret = drawnID(1), material.Bytes(otherSecret)
		s.Active.Created, s.Active.Activated = testNow, testNow
	})
)

var adoptionCases = map[string]planCase{
	"a retained Secret is adopted, and its key's triggers ask for nothing": {
		observation: Observation{Key: testKey(gen.WithTrigger("again")), Secret: testSecret(testKey(), activeSet, retained)},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Secret:        write(testSecret(testKey(), activeSet, retained), testSecret(testKey(), triggeredActive)),
			Status:        statusOf(ready(testNow), notBound(testNow), settled(testNow, "active-id"), showing(triggeredActive)),
			Events:        []event{normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent()},
		},
	},
	"a Secret that only a live read shows is adopted": {
		observation: Observation{Key: testKey(), SecretLive: true, Secret: testSecret(testKey(), activeSet, retained)},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Secret:        write(testSecret(testKey(), activeSet, retained), testSecret(testKey(), activeSet)),
			Status:        statusOf(ready(testNow), notBound(testNow), settled(testNow, "active-id"), showing(activeSet)),
			Events:        []event{normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent()},
		},
	},
	"a Secret that the key has written before a crash is no adoption": {
		observation: Observation{Key: testKey(), Secret: testSecret(testKey(), activeSet)},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(ready(testNow), notBound(testNow), settled(testNow, "active-id"), showing(activeSet)),
			Events:        []event{readyEvent()},
		},
	},
	"what is staged in an adopted Secret is staged again, however long it was watched": {
		observation: Observation{
			Key: testKey(), Secret: testSecret(testKey(), stagedSet, retained), Watch: watched(stagedSet, time.Hour),
		},
		want: Plan{
			RotationState: stagedNow.RotationState(),
			Secret:        write(testSecret(testKey(), stagedSet, retained), testSecret(testKey(), stagedNow)),
			Status: statusOf(ready(testNow), notBound(testNow), showing(stagedNow), rotatingAs(testNow, signetv1alpha1.ReasonStaged,
				"Version active-id signs. Version next-id is also accepted and starts signing at 2026-11-23T12:02:00Z.")),
			Events: []event{
				normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent(),
				normal(signetv1alpha1.ReasonStaged, "Version active-id signs. Version next-id is also accepted and starts signing at 2026-11-23T12:02:00Z."),
			},
			RequeueAfter: stage,
		},
	},
	"bytes that another client has written become a version": {
		observation: Observation{Key: readyKey(activeSet), Secret: testSecret(testKey(), activeSet, modified)},
		want: Plan{
			Secret:       write(testSecret(testKey(), activeSet, modified), testSecret(testKey(), renamedSet)),
			Status:       statusOf(readyWith(renamedSet), settled(earlier, drawnID(1))),
			Events:       []event{warning(eventMaterialModified, modifiedMessage)},
			RequeueAfter: StepInterval,
		},
	},
	"modified bytes are followed even if their checksum is right": {
		observation: Observation{Key: readyKey(activeSet), Secret: testSecret(testKey(), testSet(func(s *material.Set) { s.Active.Secret = material.Bytes(otherSecret) }))},
		want: Plan{
			Secret:       write(testSecret(testKey(), testSet(func(s *material.Set) { s.Active.Secret = material.Bytes(otherSecret) })), testSecret(testKey(), renamedSet)),
			Status:       statusOf(readyWith(renamedSet), settled(earlier, drawnID(1))),
			Events:       []event{warning(eventMaterialModified, modifiedMessage)},
			RequeueAfter: StepInterval,
		},
	},
	"modified bytes are not adopted": {
		observation: Observation{Key: testKey(gen.WithTrigger("again")), Secret: testSecret(testKey(), activeSet, modified, retained)},
		want:        conflict(noMaterial, true),
	},
	"triggers that the spec does not have stay as the Secret records them": {
		observation: Observation{
			Key:    testKey(withStatus(readyWith(activeSet))),
			Secret: testSecret(testKey(), testSet(noting("old", "older"))),
		},
		want: Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), observed("old", "older"))},
	},
	"a backup that is older than the status asks for no rotation": {
		observation: Observation{
			Key:    testKey(withStatus(readyWith(activeSet), observed("again", "leak")), gen.WithRotation(signetv1alpha1.Rotation{Trigger: "again", RevokeTrigger: "leak"})),
			Secret: testSecret(testKey(), activeSet),
		},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Secret:        write(testSecret(testKey(), activeSet), testSecret(testKey(), testSet(noting("again", "leak")))),
			Status:        statusOf(readyWith(activeSet), observed("again", "leak")),
		},
	},
}
