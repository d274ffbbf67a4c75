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
	secretUnprotects = `Secret "orders" is being deleted and can no longer be protected. Save its content now, and restore it when it is gone.`
	fiveMinutes      = 5 * time.Minute
)

// bound is the observation of a protected key that the binding "shop" holds an
// API with, without its Secret.
func bound(set *material.Set, options ...gen.KeyOption) Observation {
	key := readyKey(set, append([]gen.KeyOption{gen.WithFinalizers(protection)}, options...)...)
	boundTo(earlier, "shop")(&key.Status)
	return Observation{Key: key, Users: []string{"shop"}, HasHolder: true}
}

func generationCases() map[string]planCase {
	generated := testSet(func(set *material.Set) { set.Active = drawn() })
	triggered := generated.WithTriggers("first", "")
	const made = `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`
	created := Plan{
		Secret: create(newSecret(testKey(), generated)),
		Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), showing(generated)),
		Events: []event{normal(eventGenerated, made), readyEvent()},
	}
	set := testSet()
	return map[string]planCase{
		"a new key gets material": {observation: Observation{Key: testKey(), SecretLive: true}, want: created},
		"the triggers of a new key ask for nothing": {
			observation: Observation{Key: testKey(gen.WithTrigger("first")), SecretLive: true},
			want: Plan{
				Secret: create(newSecret(testKey(), triggered)),
				Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), showing(triggered)),
				Events: created.Events,
			},
		},
		"an unbound key whose Secret is gone gets new material": {
			observation: Observation{Key: readyKey(set), SecretLive: true},
			want: Plan{
				Secret: create(newSecret(testKey(), generated)),
				Status: statusOf(ready(earlier), notBound(earlier), settled(earlier, drawnID(4)), showing(generated)),
				Events: []event{normal(eventGenerated, made)},
			},
		},
		"a key that bindings name but that was never granted gets new material, too": {
			observation: Observation{Key: readyKey(set), SecretLive: true, Users: []string{"shop"}},
			want: Plan{
				Secret: create(newSecret(testKey(), generated)),
				Status: statusOf(ready(earlier), settled(earlier, drawnID(4)), showing(generated), boundTo(testNow, "shop")),
				Events: []event{normal(eventGenerated, made), normal(signetv1alpha1.ReasonBound, "Used by 1 binding: shop.")},
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
				Key: readyKey(set, gen.WithIdentifier("no good?"), gen.WithDisplayName("another_name"), gen.WithTrigger("again"),
					gen.WithTemplate(signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{"team": "shop"}})),
				Secret: testSecret(testKey(), set),
			},
			want: Plan{
				RotationState: set.RotationState(),
				Status: statusOf(readyWith(set), resting(earlier, "active-id"), stalled(testNow, signetv1alpha1.ReasonInvalidSpec, invalidSpec),
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
}

func sourceCases() map[string]planCase {
	source := func(value string, data map[string]string) *corev1.Secret {
		return gen.SourceSecret("own", data, gen.InNamespace("shop"), gen.WithLabels(map[string]string{signetv1alpha1.LabelMaterial: value}))
	}
	sound := source("true", map[string]string{"secret": sourceSecret})
	waits := Plan{
		Status: statusOf(waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource), notBound(testNow)),
		Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)}, RequeueAfter: fiveMinutes,
	}
	refused := func(reason, message string) Plan {
		return Plan{
			Status: statusOf(stalled(testNow, reason, message), notBound(testNow)), Terminal: true,
			Events: []event{warning(reason, message)},
		}
	}
	managed := refused(signetv1alpha1.ReasonInvalidSource, `Secret "own" is managed by Signet. Name another Secret in spec.source.secretRef.`)
	half := testSet(func(set *material.Set) {
		set.Active = drawn()
		set.Active.Secret = material.Bytes(sourceSecret)
	})
	whole := testSet(func(set *material.Set) {
		set.Active = drawn()
		set.Active.Key, set.Active.Secret = material.Bytes(identifier), material.Bytes(sourceSecret)
	})
	set := testSet()
	const newline = `Secret "own" is invalid: data[secret]: ends with a newline: create the value without one, using printf or kubectl create secret --from-literal.`
	ofOwn := func(options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
		return testKey(append([]gen.KeyOption{gen.WithSource("own")}, options...)...)
	}
	return map[string]planCase{
		"what the source lacks is generated": {
			observation: Observation{Key: ofOwn(), Source: sound, SecretLive: true},
			want: Plan{
				Secret: create(newSecret(testKey(), half)),
				Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), showing(half)),
				Events: []event{normal(eventGenerated, `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`), readyEvent()},
			},
		},
		"both components can be supplied": {
			observation: Observation{Key: ofOwn(gen.WithIdentifier(identifier)), Source: sound, SecretLive: true},
			want: Plan{
				Secret: create(newSecret(testKey(), whole)),
				Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(4)), showing(whole)),
				Events: []event{normal(eventMaterialApplied, `Applied the supplied material: Secret "orders" has version 04040404040404040404040404040404.`), readyEvent()},
			},
		},
		"a missing source is waited for":     {observation: Observation{Key: ofOwn()}, want: waits},
		"an unlabeled source does not count": {observation: Observation{Key: ofOwn(), Source: source("no", map[string]string{"secret": sourceSecret})}, want: waits},
		"a missing source is reported after five minutes": {
			observation: Observation{Key: ofOwn(withStatus(waiting(testNow.Add(-fiveMinutes), signetv1alpha1.ReasonSourceNotFound, noSource), notBound(earlier)))},
			want: Plan{
				Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSourceNotFound, noSource), notBound(earlier)),
				Events: []event{warning(signetv1alpha1.ReasonSourceNotFound, noSource)},
			},
		},
		"material stays in effect without its source": {
			observation: Observation{Key: readyKey(set, gen.WithSource("own")), Secret: testSecret(testKey(), set)},
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), resting(earlier, "active-id"), waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource)),
				Events:        waits.Events, RequeueAfter: fiveMinutes,
			},
		},
		"a managed Secret is no source": {observation: Observation{Key: ofOwn(), Source: source("managed", map[string]string{"secret": sourceSecret})}, want: managed},
		"a Secret of Signet's type is no source": {
			observation: Observation{Key: ofOwn(), Source: gen.SourceSecret("own", map[string]string{"secret": sourceSecret},
				gen.SecretFunc(func(s *corev1.Secret) { s.Type = signetv1alpha1.SecretType }))},
			want: managed,
		},
		"the secret key of an AES key must not be published": {
			observation: Observation{
				Key: ofOwn(), Source: source("true", map[string]string{"key": "0123456789abcdef"}), CipherKeys: []string{"sealed", "second"},
			},
			want: refused(signetv1alpha1.ReasonInvalidSource, `Secret "own" supplies SignatureKey "sealed" of type AES, whose key is secret, `+
				`but the key of this type is public. Name another Secret in spec.source.secretRef.`),
		},
		"a source with a newline is invalid": {
			observation: Observation{Key: ofOwn(), Source: source("true", map[string]string{"secret": sourceSecret + "\n"})},
			want:        refused(signetv1alpha1.ReasonInvalidMaterial, newline),
		},
		"a source without components is invalid": {
			observation: Observation{Key: ofOwn(), Source: source("true", nil)},
			want:        refused(signetv1alpha1.ReasonInvalidMaterial, `Secret "own" is invalid: data: must contain key, secret or both.`),
		},
		"two different identifiers are invalid": {
			observation: Observation{Key: ofOwn(gen.WithIdentifier(identifier)), Source: source("true", map[string]string{"key": "another_app"})},
			want: refused(signetv1alpha1.ReasonInvalidMaterial,
				`Secret "own" is invalid: data[key]: differs from spec.identifier of SignatureKey "orders": supply only one of them, or equal values.`),
		},
		"material stays in effect when its source becomes invalid": {
			observation: Observation{
				Key: readyKey(set, gen.WithSource("own")), Secret: testSecret(testKey(), set),
				Source: source("true", map[string]string{"secret": sourceSecret + "\n"}),
			},
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), resting(earlier, "active-id"), stalled(testNow, signetv1alpha1.ReasonInvalidMaterial, newline)),
				Terminal:      true, Events: []event{warning(signetv1alpha1.ReasonInvalidMaterial, newline)},
			},
		},
	}
}

// blockedAnswer is what a live read has led to that found another object.
func blockedAnswer() LiveAnswer {
	return LiveAnswer{Readiness: status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, notManaged), Left: 40 * time.Second}
}

// lostAnswer is what a live read has led to that found no Secret of a bound key.
func lostAnswer() LiveAnswer {
	return LiveAnswer{Readiness: status.Stalled(signetv1alpha1.ReasonSecretLost, missing), Left: 40 * time.Second}
}

func conflictCases() map[string]planCase {
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "web-uid"}}
	controlled := gen.SecretFunc(func(s *corev1.Secret) {
		s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	})
	other := gen.SourceSecret("orders", nil, gen.InNamespace("shop"), gen.SecretFunc(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }))
	conflict := func(message string, terminal bool) Plan {
		return Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, message), notBound(testNow)), Terminal: terminal,
			Events: []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, message)},
		}
	}
	read := conflict(notManaged, false)
	read.Answer, read.RequeueAfter = blockedAnswer().Readiness, LiveReadInterval
	remembered := conflict(notManaged, false)
	remembered.RequeueAfter = blockedAnswer().Left
	lostToOther := bound(testSet())
	const advice = " Delete it, or create the key with another spec.target.name."
	basic := testSet(func(set *material.Set) { set.Type = signetv1alpha1.KeyTypeBasic })
	return map[string]planCase{
		"another Secret in the cache blocks the key":        {observation: Observation{Key: testKey(), Secret: other}, want: conflict(notManaged, true)},
		"another Secret that a live read shows blocks it":   {observation: Observation{Key: testKey(), Secret: other, SecretLive: true}, want: read},
		"another Secret that was read blocks it for a time": {observation: Observation{Key: testKey(), Answer: blockedAnswer()}, want: remembered},
		"another Secret in place of a lost one blocks a bound key": {
			observation: with(lostToOther, func(o *Observation) { o.Answer = blockedAnswer() }),
			want: Plan{
				Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, notManaged), boundTo(earlier, "shop")),
				Events: read.Events, RequeueAfter: blockedAnswer().Left,
			},
		},
		"the Secret of another key blocks the key": {
			observation: Observation{Key: testKey(), Secret: testSecret(testKey(), testSet(), gen.WithLabels(map[string]string{signetv1alpha1.LabelKey: "other"}))},
			want: conflict(`Secret "orders" exists but is not managed by this key (type signet.dev/signature-key, created for SignatureKey "other", `+
				`controlled by SignatureKey "orders", managed by "signet").`+advice, true),
		},
		"a Secret that another object controls blocks the key": {
			observation: Observation{Key: testKey(), Secret: testSecret(testKey(), testSet(), controlled)},
			want: conflict(`Secret "orders" exists but is not managed by this key (type signet.dev/signature-key, created for SignatureKey "orders", `+
				`controlled by ConfigMap "web", managed by "signet").`+advice, true),
		},
		"a Secret that only a live read shows and another object controls protects nothing": {
			observation: Observation{
				Key: testKey(), SecretLive: true,
				Secret: testSecret(testKey(), testSet(), controlled, gen.WithFinalizers(protection), gen.DeletedAt(earlier)),
			},
			want: func() Plan {
				const message = `Secret "orders" exists but is not managed by this key (type signet.dev/signature-key, created for SignatureKey "orders", ` +
					`controlled by ConfigMap "web", managed by "signet").` + advice
				plan := conflict(message, false)
				plan.Answer, plan.RequeueAfter = status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, message), LiveReadInterval
				return plan
			}(),
		},
		"material of another type blocks the key": {
			observation: Observation{Key: testKey(), Secret: testSecret(testKey(), basic)},
			want:        conflict(`Secret "orders" contains material of another type (Basic).`+advice, true),
		},
	}
}

func lossCases() map[string]planCase {
	set := testSet(noting("before", ""))
	lost := func(message string) statusOption { return stalled(testNow, signetv1alpha1.ReasonSecretLost, message) }
	told := func(options ...gen.KeyOption) Observation {
		o := bound(set, options...)
		o.Key.Status = statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundTo(earlier, "shop"), observed("before", ""))
		return o
	}
	absent := func(o *Observation) { o.SecretLive = true }
	renewed := testSet(noting("renew", ""), func(s *material.Set) { s.Active = drawn() })
	broken := gen.SecretFunc(func(s *corev1.Secret) { s.Data = map[string][]byte{"key": []byte("x")} })
	const cannot = "New material may replace the lost material but cannot be generated yet. " + noSource
	return map[string]planCase{
		"a bound key whose Secret is gone has lost its material": {
			observation: with(bound(set, gen.WithTrigger("before")), absent),
			want: Plan{
				Answer: lostAnswer().Readiness, Status: statusOf(lost(missing), boundTo(earlier, "shop"), observed("before", "")),
				Events: []event{warning(signetv1alpha1.ReasonSecretLost, missing)}, RequeueAfter: LiveReadInterval,
			},
		},
		"the trigger that is set when the loss is found is no consent": {
			observation: with(bound(set, gen.WithRotation(signetv1alpha1.Rotation{Trigger: "changed", RevokeTrigger: "leak"})), absent),
			want: Plan{
				Answer: lostAnswer().Readiness, Status: statusOf(lost(missing), boundTo(earlier, "shop"), observed("changed", "leak")),
				Events: []event{warning(signetv1alpha1.ReasonSecretLost, missing)}, RequeueAfter: LiveReadInterval,
			},
		},
		"a loss that was read is remembered for a time": {
			observation: with(told(gen.WithTrigger("before")), func(o *Observation) { o.Answer = lostAnswer() }),
			want: Plan{
				Status:       statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundTo(earlier, "shop"), observed("before", "")),
				RequeueAfter: lostAnswer().Left,
			},
		},
		"a trigger that is removed is no consent": {
			observation: with(told(), func(o *Observation) { o.Answer = lostAnswer() }),
			want: Plan{
				Status:       statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing), boundTo(earlier, "shop"), observed("before", "")),
				RequeueAfter: lostAnswer().Left,
			},
		},
		"a loss takes precedence over an invalid spec": {
			observation: with(bound(set, gen.WithIdentifier("no good?")), absent),
			want: Plan{
				Answer: lostAnswer().Readiness, Status: statusOf(lost(missing), boundTo(earlier, "shop"), observed("", "")),
				Events: []event{warning(signetv1alpha1.ReasonSecretLost, missing)}, RequeueAfter: LiveReadInterval,
			},
		},
		"bytes that make no key are a loss, even of an unbound key": {
			observation: Observation{Key: readyKey(set), Secret: testSecret(testKey(), set, broken)},
			want: Plan{
				Status: statusOf(lost(unusable), notBound(earlier)), Events: []event{warning(signetv1alpha1.ReasonSecretLost, unusable)},
			},
		},
		"modified material of another type is a loss": {
			observation: Observation{
				Key: readyKey(set), Secret: testSecret(testKey(), set, gen.SecretFunc(func(s *corev1.Secret) { s.Data["type"] = []byte("Basic") })),
			},
			want: Plan{
				Status: statusOf(lost(unusable), notBound(earlier)), Events: []event{warning(signetv1alpha1.ReasonSecretLost, unusable)},
			},
		},
		"a new trigger is the consent to new material": {
			observation: with(told(gen.WithTrigger("renew")), absent),
			want: Plan{
				Secret: create(newSecret(testKey(), renewed, gen.WithFinalizers(protection))),
				Status: statusOf(ready(testNow), settled(testNow, drawnID(4)), showing(renewed), boundTo(earlier, "shop")),
				Events: []event{normal(eventGenerated, `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`), readyEvent()},
			},
		},
		"a new trigger is also the consent to overwrite bytes that make no key": {
			observation: Observation{
				Key:    readyKey(set, gen.WithTrigger("renew"), withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, unusable), notBound(earlier))),
				Secret: testSecret(testKey(), set, broken),
			},
			want: Plan{
				Secret: write(testSecret(testKey(), set, broken), testSecret(testKey(), renewed)),
				Status: statusOf(ready(testNow), settled(testNow, drawnID(4)), showing(renewed), notBound(earlier)),
				Events: []event{normal(eventGenerated, `Generated new material: Secret "orders" has version 04040404040404040404040404040404.`), readyEvent()},
			},
		},
		"a consent that cannot be followed yet is kept": {
			observation: with(told(gen.WithTrigger("renew"), gen.WithSource("own")), absent),
			want: Plan{
				Status: statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, cannot), boundTo(earlier, "shop"), observed("before", "")),
			},
		},
		"a deleted key cannot consent": {
			observation: with(told(gen.WithTrigger("renew"), gen.DeletedAt(testNow)), absent),
			want: func() Plan {
				const blocked = "The key is being deleted but keeps signing while it is used by 1 binding: shop. Delete each, or move it to another key."
				return Plan{
					Answer: lostAnswer().Readiness, RequeueAfter: LiveReadInterval,
					Status: statusOf(stalled(earlier, signetv1alpha1.ReasonSecretLost, missing),
						usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blocked, 1, "shop"), observed("before", "")),
					Events: []event{normal(signetv1alpha1.ReasonDeletionBlocked, blocked)},
				}
			}(),
		},
		"a restored Secret is adopted as it is": {
			observation: with(told(gen.WithTrigger("renew")), func(o *Observation) { o.Secret = testSecret(o.Key, set, retained) }),
			want: func() Plan {
				restored := testSet(noting("renew", ""))
				return Plan{
					RotationState: restored.RotationState(),
					Secret: write(testSecret(testKey(), set, retained),
						testSecret(testKey(), restored, gen.WithFinalizers(protection))),
					Status: statusOf(ready(testNow), settled(testNow, "active-id"), showing(restored), boundTo(earlier, "shop")),
					Events: []event{normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent()},
				}
			}(),
		},
	}
}

func deletionCases() map[string]planCase {
	set := testSet()
	deleted := gen.DeletedAt(testNow.Add(-time.Minute))
	waits := Plan{
		Status: statusOf(waiting(testNow, signetv1alpha1.ReasonSecretTerminating, secretGoing), notBound(earlier)),
		Events: []event{normal(signetv1alpha1.ReasonSecretTerminating, secretGoing)}, RequeueAfter: fiveMinutes,
	}
	return map[string]planCase{
		"a protected Secret that is deleted keeps working": {
			observation: with(bound(set), func(o *Observation) { o.Secret = testSecret(o.Key, set, deleted, gen.WithFinalizers(protection)) }),
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), readyAs(earlier, signetv1alpha1.ReasonSecretTerminating, secretProtected), boundTo(earlier, "shop")),
				Events:        []event{normal(signetv1alpha1.ReasonSecretTerminating, secretProtected)},
			},
		},
		"another problem takes precedence over a protected Secret that is deleted": {
			observation: with(bound(set, gen.WithSource("own")), func(o *Observation) {
				o.Secret = testSecret(o.Key, set, deleted, gen.WithFinalizers(protection))
			}),
			want: Plan{
				RotationState: set.RotationState(), RequeueAfter: fiveMinutes,
				Status: statusOf(readyWith(set), waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource), resting(earlier, "active-id"),
					boundTo(earlier, "shop")),
				Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)},
			},
		},
		"a protected Secret that is deleted is kept even if no binding uses it": {
			observation: Observation{
				Key:    readyKey(set, gen.WithFinalizers(protection)),
				Secret: testSecret(testKey(), set, deleted, gen.WithFinalizers(protection)),
			},
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), readyAs(earlier, signetv1alpha1.ReasonSecretTerminating, secretProtected)),
				Events:        []event{normal(signetv1alpha1.ReasonSecretTerminating, secretProtected)},
			},
		},
		"an unprotected Secret that is deleted is waited for": {
			observation: Observation{Key: readyKey(set), Secret: testSecret(testKey(), set, deleted, gen.WithFinalizers("example.com/slow"))},
			want:        waits,
		},
		"an unprotected Secret that stays is reported after five minutes": {
			observation: Observation{
				Key:    testKey(withStatus(waiting(testNow.Add(-fiveMinutes), signetv1alpha1.ReasonSecretTerminating, secretGoing), notBound(earlier))),
				Secret: testSecret(testKey(), set, deleted, gen.WithFinalizers("example.com/slow")),
			},
			want: Plan{
				Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretTerminating, secretGoing), notBound(earlier)),
				Events: []event{warning(signetv1alpha1.ReasonSecretTerminating, secretGoing)},
			},
		},
		"an unprotected Secret of a bound key that is deleted must be saved": {
			observation: with(bound(set), func(o *Observation) {
				o.Secret = testSecret(o.Key, set, deleted, gen.WithFinalizers("example.com/slow"))
			}),
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), stalled(testNow, signetv1alpha1.ReasonSecretTerminating, secretUnprotects), boundTo(earlier, "shop")),
				Events:        []event{warning(signetv1alpha1.ReasonSecretTerminating, secretUnprotects)},
			},
		},
	}
}

// retained is a managed Secret that its key has left behind.
var retained = gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences = nil })

// modified is a Secret with bytes that another client has written.
var modified = gen.SecretFunc(func(s *corev1.Secret) { s.Data["secret"] = []byte(otherSecret) })

func adoptionCases() map[string]planCase {
	set, triggered := testSet(), testSet(noting("again", ""))
	stagedSet := testSet(staged(earlier))
	restaged := testSet(staged(testNow))
	renamed := testSet(func(s *material.Set) {
		s.Active.ID, s.Active.Secret = drawnID(1), material.Bytes(otherSecret)
		s.Active.Created, s.Active.Activated = testNow, testNow
	})
	const changed = `Another client changed the data of Secret "orders". It is in use as version 01010101010101010101010101010101. Change the source or use spec.rotation instead.`
	return map[string]planCase{
		"a retained Secret is adopted, and its key's triggers ask for nothing": {
			observation: Observation{Key: testKey(gen.WithTrigger("again")), Secret: testSecret(testKey(), set, retained)},
			want: Plan{
				RotationState: set.RotationState(),
				Secret:        write(testSecret(testKey(), set, retained), testSecret(testKey(), triggered)),
				Status:        statusOf(ready(testNow), notBound(testNow), settled(testNow, "active-id"), showing(triggered)),
				Events:        []event{normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent()},
			},
		},
		"a Secret that only a live read shows is adopted": {
			observation: Observation{Key: testKey(), SecretLive: true, Secret: testSecret(testKey(), set, retained)},
			want: Plan{
				RotationState: set.RotationState(),
				Secret:        write(testSecret(testKey(), set, retained), testSecret(testKey(), set)),
				Status:        statusOf(ready(testNow), notBound(testNow), settled(testNow, "active-id"), showing(set)),
				Events:        []event{normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent()},
			},
		},
		"a Secret that the key has written before a crash is no adoption": {
			observation: Observation{Key: testKey(), Secret: testSecret(testKey(), set)},
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(ready(testNow), notBound(testNow), settled(testNow, "active-id"), showing(set)),
				Events:        []event{readyEvent()},
			},
		},
		"what is staged in an adopted Secret is staged again, however long it was watched": {
			observation: Observation{
				Key: testKey(), Secret: testSecret(testKey(), stagedSet, retained), Watch: watched(stagedSet, time.Hour),
			},
			want: Plan{
				RotationState: restaged.RotationState(),
				Secret:        write(testSecret(testKey(), stagedSet, retained), testSecret(testKey(), restaged)),
				Status: statusOf(ready(testNow), notBound(testNow), showing(restaged), rotatingAs(testNow, signetv1alpha1.ReasonStaged,
					"Version active-id signs. Version next-id is also accepted and starts signing at 2026-11-23T12:02:00Z.")),
				Events: []event{
					normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent(),
					normal(signetv1alpha1.ReasonStaged, "Version active-id signs. Version next-id is also accepted and starts signing at 2026-11-23T12:02:00Z."),
				},
				RequeueAfter: stage,
			},
		},
		"bytes that another client has written become a version": {
			observation: Observation{Key: readyKey(set), Secret: testSecret(testKey(), set, modified)},
			want: Plan{
				Secret: write(testSecret(testKey(), set, modified), testSecret(testKey(), renamed)),
				Status: statusOf(readyWith(renamed), settled(earlier, drawnID(1))),
				Events: []event{warning(eventMaterialModified, changed)},
			},
		},
		"modified bytes of a Secret that is adopted ask for no rotation": {
			observation: Observation{Key: testKey(gen.WithTrigger("again")), Secret: testSecret(testKey(), set, modified, retained)},
			want: Plan{
				Secret: write(testSecret(testKey(), set, modified, retained), testSecret(testKey(), renamed.WithTriggers("again", ""))),
				Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(1)), showing(renamed.WithTriggers("again", ""))),
				Events: []event{warning(eventMaterialModified, changed), readyEvent()},
			},
		},
		"triggers that the spec does not have stay as the Secret records them": {
			observation: Observation{
				Key:    testKey(withStatus(readyWith(set))),
				Secret: testSecret(testKey(), testSet(noting("old", "older"))),
			},
			want: Plan{RotationState: set.RotationState(), Status: statusOf(readyWith(set), observed("old", "older"))},
		},
		"a backup that is older than the status asks for no rotation": {
			observation: Observation{
				Key:    testKey(withStatus(readyWith(set), observed("again", "leak")), gen.WithRotation(signetv1alpha1.Rotation{Trigger: "again", RevokeTrigger: "leak"})),
				Secret: testSecret(testKey(), set),
			},
			want: Plan{
				RotationState: set.RotationState(),
				Secret:        write(testSecret(testKey(), set), testSecret(testKey(), testSet(noting("again", "leak")))),
				Status:        statusOf(readyWith(set), observed("again", "leak")),
			},
		},
	}
}
