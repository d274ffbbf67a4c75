// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// pair is material of type PublicKey. It is always supplied here, because
// crypto/ecdsa takes its randomness from nowhere else than the system.
type pair struct{ public, private string }

var pairs = [2]pair{newPair(), newPair()}

func newPair() pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pair{base64.StdEncoding.EncodeToString(public), base64.StdEncoding.EncodeToString(private)}
}

// pairSource returns a source Secret with one of the pairs.
func pairSource(i int) *corev1.Secret {
	return gen.SourceSecret("own", map[string]string{"key": pairs[i].public, "secret": pairs[i].private}, gen.InNamespace("shop"))
}

// pairSet returns PublicKey material with one version: the first pair.
func pairSet(options ...func(*material.Set)) *material.Set {
	return testSet(append([]func(*material.Set){func(set *material.Set) {
		set.Type = signetv1alpha1.KeyTypePublicKey
		set.Active.Key, set.Active.Secret = material.Bytes(pairs[0].public), material.Bytes(pairs[0].private)
	}}, options...)...)
}

// newPublic returns the public ConfigMap with the material as it is created.
func newPublic(set *material.Set) *corev1.ConfigMap {
	secret := newSecret(testKey(), set)
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "orders-public", Labels: secret.Labels, OwnerReferences: secret.OwnerReferences,
		},
		Data: set.Public(),
	}
}

// publicOf returns the public ConfigMap as the cache shows it.
func publicOf(set *material.Set, options ...func(*corev1.ConfigMap)) *corev1.ConfigMap {
	public := newPublic(set)
	public.UID, public.ResourceVersion = "public-uid", "30"
	for _, option := range options {
		option(public)
	}
	return public
}

// earlierOwner is an earlier key of the same name, and objectOwner another object.
func earlierOwner(public *corev1.ConfigMap) { public.OwnerReferences[0].UID = "earlier-uid" }

func objectOwner(public *corev1.ConfigMap) {
	public.OwnerReferences = append(public.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "web", UID: "web-uid"})
}

const (
	publicTaken        = `ConfigMap "orders-public" exists but is not managed by this key (its owner is unknown). Delete it, or create the key with another spec.target.name.`
	publicTakenByOther = `ConfigMap "orders-public" exists but is not managed by this key (created for SignatureKey "other"). Delete it, or create the key with another spec.target.name.`
	publicOwnedByWeb   = `ConfigMap "orders-public" exists but is not managed by this key (created for SignatureKey "orders", controlled by SignatureKey "orders", managed by "signet"). Delete it, or create the key with another spec.target.name.`
	pairStagedMessage  = "Version active-id signs. Version 01010101010101010101010101010101 is also accepted and starts signing at 2026-11-23T12:02:00Z."
)

var (
	ofPublic   = gen.WithType(signetv1alpha1.KeyTypePublicKey)
	pairActive = pairSet()
	pairKey    = func(options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
		return readyKey(pairActive, append([]gen.KeyOption{ofPublic, gen.WithSource("own")}, options...)...)
	}
	pairSecret = func(s *material.Set) *corev1.Secret { return testSecret(testKey(), s) }
	pairFirst  = pairSet(func(s *material.Set) {
		s.Active.ID, s.Active.Created, s.Active.Activated, s.Salt = drawnID(1), testNow, testNow, drawnSalt(2)
	})
	pairStaged = pairSet(func(s *material.Set) {
		s.Next = &material.Version{ID: drawnID(1), Key: material.Bytes(pairs[1].public), Secret: material.Bytes(pairs[1].private), Created: testNow}
	})
	pairOver = pairSet(func(s *material.Set) {
		s.Active.Activated = testNow.Add(-retire)
		s.Previous = &material.Version{
			ID: "previous-id", Key: material.Bytes(pairs[1].public), Secret: material.Bytes(pairs[1].private),
			Created: earlier, Activated: earlier, Retires: testNow,
		}
	})
	pairDropped   = pairSet(func(s *material.Set) { s.Active.Activated = testNow.Add(-retire) })
	otherPublic   = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders-public"}}
	labeledPublic = func() *corev1.ConfigMap {
		configMap := otherPublic.DeepCopy()
		configMap.Labels = map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: "other"}
		return configMap
	}()
	forgedPublic = publicOf(pairActive, objectOwner, func(public *corev1.ConfigMap) {
		public.Labels, public.OwnerReferences = nil, public.OwnerReferences[1:]
		public.Data = map[string]string{"key": "forged"}
	})
	publicConflict = status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, publicTaken)
	editedPublic   = func() *corev1.ConfigMap {
		configMap := publicOf(pairActive)
		configMap.Data = map[string]string{"key": "another"}
		return configMap
	}()
	protectedPair   = testSecret(testKey(), pairActive, isProtected)
	protectedPublic = func(public *corev1.ConfigMap) { public.Finalizers = []string{protection} }
	deletedPublic   = func(public *corev1.ConfigMap) { public.DeletionTimestamp = &metav1.Time{Time: testNow} }
	pairRotatingKey = pairKey(withStatus(readyWith(pairOver), rotatingAs(earlier, signetv1alpha1.ReasonRetiring, "retiring")))
)

var publicCases = map[string]planCase{
	"the public ConfigMap is created before the Secret": {
		observation: Observation{PublicKeyEnabled: true, Key: testKey(ofPublic, gen.WithSource("own")), Source: pairSource(0), SecretLive: true, PublicLive: true},
		want: Plan{
			Public: &ConfigMapPlan{BeforeSecret: newPublic(pairFirst)}, Secret: create(newSecret(testKey(), pairFirst)),
			Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(1)), creating(pairFirst)),
			Events: []event{normal(eventMaterialApplied, `Applied the supplied material: Secret "orders" has version 01010101010101010101010101010101.`)},
		},
	},
	"a version is added to the public ConfigMap before the Secret has it": {
		observation: Observation{PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(1), Secret: pairSecret(pairActive), Public: publicOf(pairActive)},
		want: Plan{
			RotationState: pairActive.RotationState(),
			Public:        &ConfigMapPlan{Observed: publicOf(pairActive), BeforeSecret: publicOf(pairStaged)},
			Secret:        write(pairSecret(pairActive), pairSecret(pairStaged)), RequeueAfter: stage,
			Status: statusOf(readyWith(pairStaged), rotatingAs(testNow, signetv1alpha1.ReasonStaged, pairStagedMessage)),
			Events: []event{normal(signetv1alpha1.ReasonStaged, pairStagedMessage)},
		},
	},
	"a version is removed from the public ConfigMap after the Secret has dropped it": {
		observation: Observation{PublicKeyEnabled: true, Key: pairRotatingKey, Source: pairSource(0), Secret: pairSecret(pairOver), Public: publicOf(pairOver), Watch: watched(pairOver, retire)},
		want: Plan{
			RotationState: pairOver.RotationState(),
			Public:        &ConfigMapPlan{Observed: publicOf(pairOver), AfterSecret: pairDropped.Public()},
			Secret:        write(pairSecret(pairOver), pairSecret(pairDropped)),
			Status:        statusOf(readyWith(pairDropped), settled(testNow, "active-id")),
			Events:        []event{normal(signetv1alpha1.ReasonSettled, "Version active-id signs. No other version is accepted.")},
			RequeueAfter:  StepInterval,
		},
	},
	"a public ConfigMap that has changed is repaired": {
		observation: Observation{PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(0), Secret: pairSecret(pairActive), Public: editedPublic},
		want: Plan{
			RotationState: pairActive.RotationState(), Public: &ConfigMapPlan{Observed: editedPublic, BeforeSecret: publicOf(pairActive)},
			Status: statusOf(readyWith(pairActive)),
		},
	},
	"a public ConfigMap that is gone is created again": {
		observation: Observation{PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(0), Secret: pairSecret(pairActive), PublicLive: true},
		want: Plan{
			RotationState: pairActive.RotationState(), Public: &ConfigMapPlan{BeforeSecret: newPublic(pairActive)},
			Status: statusOf(readyWith(pairActive)),
		},
	},
	"a public ConfigMap cannot be created where the API server refuses it": {
		observation: Observation{PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(0), Secret: pairSecret(pairActive), PublicLive: true, CreateRefused: true},
		want: Plan{
			RotationState: pairActive.RotationState(), RequeueAfter: fiveMinutes,
			Status: statusOf(waiting(testNow, signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing), notBound(earlier), recording(pairActive)),
			Events: []event{normal(signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing)},
		},
	},
	"a public ConfigMap is not created in a namespace that is being deleted": {
		observation: Observation{PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(0), Secret: pairSecret(pairActive), PublicLive: true, NamespaceTerminating: true},
		want: Plan{
			RotationState: pairActive.RotationState(), RequeueAfter: fiveMinutes,
			Status: statusOf(waiting(testNow, signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing), notBound(earlier), recording(pairActive)),
			Events: []event{normal(signetv1alpha1.ReasonNamespaceTerminating, namespaceGoing)},
		},
	},
	"another ConfigMap that a live read shows blocks a new key": {
		observation: Observation{PublicKeyEnabled: true, Key: testKey(ofPublic, gen.WithSource("own")), Source: pairSource(0), SecretLive: true, Public: otherPublic, PublicLive: true},
		want: Plan{
			Answer: publicConflict, RequeueAfter: LiveReadInterval,
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, publicTaken), notBound(testNow)),
			Events: []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, publicTaken)},
		},
	},
	"another ConfigMap in the cache blocks a new key": {
		observation: Observation{PublicKeyEnabled: true, Key: testKey(ofPublic, gen.WithSource("own")), Source: pairSource(0), SecretLive: true, Public: labeledPublic},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, publicTakenByOther), notBound(testNow)),
			Events: []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, publicTakenByOther)},
		},
	},
	"another ConfigMap that was read blocks a new key for a time": {
		observation: Observation{
			PublicKeyEnabled: true, Key: testKey(ofPublic, gen.WithSource("own")), Source: pairSource(0),
			Answer: LiveAnswer{Readiness: publicConflict, Left: 40 * time.Second},
		},
		want: Plan{
			RequeueAfter: 40 * time.Second,
			Status:       statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, publicTaken), notBound(testNow)),
			Events:       []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, publicTaken)},
		},
	},
	"the public ConfigMap of an earlier key is taken over": {
		observation: Observation{
			PublicKeyEnabled: true, Key: testKey(ofPublic, gen.WithSource("own")), Source: pairSource(0), Public: publicOf(pairActive, earlierOwner),
		},
		want: Plan{
			Public: &ConfigMapPlan{Observed: publicOf(pairActive, earlierOwner), BeforeSecret: publicOf(pairFirst)}, Secret: create(newSecret(testKey(), pairFirst)),
			Status: statusOf(ready(testNow), notBound(testNow), settled(testNow, drawnID(1)), creating(pairFirst)),
			Events: []event{normal(eventMaterialApplied, `Applied the supplied material: Secret "orders" has version 01010101010101010101010101010101.`)},
		},
	},
	"a ConfigMap of the key that another object also owns blocks a new key": {
		observation: Observation{
			PublicKeyEnabled: true, Key: testKey(ofPublic, gen.WithSource("own")), Source: pairSource(0), Public: publicOf(pairActive, objectOwner),
		},
		want: conflict(publicOwnedByWeb, false),
	},
	"nothing is adopted that backends could not learn of": {
		observation: Observation{
			PublicKeyEnabled: true, Key: testKey(ofPublic, gen.WithSource("own")), Source: pairSource(0),
			Secret: pairSecret(pairActive), Public: labeledPublic,
		},
		want: Plan{
			RotationState: pairActive.RotationState(),
			Status:        statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, publicTakenByOther), notBound(testNow)),
			Events:        []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, publicTakenByOther)},
		},
	},
	"a key with a version on record takes the name of its public ConfigMap back": {
		observation: Observation{
			PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(0), Secret: pairSecret(pairActive), Public: forgedPublic, PublicLive: true,
		},
		want: Plan{
			RotationState: pairActive.RotationState(), Status: statusOf(readyWith(pairActive)),
			Public: &ConfigMapPlan{Observed: forgedPublic, BeforeSecret: publicOf(pairActive)},
		},
	},
	"a key with a version on record takes it back even if the name blocked it before": {
		observation: Observation{
			PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(0), Secret: pairSecret(pairActive), PublicLive: true,
			Answer: LiveAnswer{Readiness: publicConflict, Left: 40 * time.Second},
		},
		want: Plan{
			RotationState: pairActive.RotationState(), Status: statusOf(readyWith(pairActive)),
			Public: &ConfigMapPlan{BeforeSecret: newPublic(pairActive)},
		},
	},
	"a holder restores the protection of the ConfigMap": {
		observation: Observation{
			PublicKeyEnabled: true, Key: pairKey(isProtected, withStatus(readyWith(pairActive), boundToShop(earlier))), Source: pairSource(0),
			Secret: protectedPair, Public: publicOf(pairActive), Users: []string{"shop"}, HasHolder: true,
		},
		want: Plan{
			RotationState: pairActive.RotationState(), Status: statusOf(readyWith(pairActive), boundToShop(earlier)),
			Public: &ConfigMapPlan{Observed: publicOf(pairActive), BeforeSecret: publicOf(pairActive, protectedPublic)},
		},
	},
	"a deleted ConfigMap of a key in use keeps its content": {
		observation: Observation{
			PublicKeyEnabled: true, Key: pairKey(isProtected, withStatus(readyWith(pairActive), boundToShop(earlier))), Source: pairSource(0),
			Secret: protectedPair, Public: publicOf(pairActive, protectedPublic, deletedPublic), Users: []string{"shop"}, HasHolder: true,
		},
		want: Plan{RotationState: pairActive.RotationState(), Status: statusOf(readyWith(pairActive), boundToShop(earlier))},
	},
	"the ConfigMap of a key that is no longer used loses its protection": {
		observation: Observation{
			PublicKeyEnabled: true, Key: pairKey(isProtected), Source: pairSource(0), Releasing: true,
			Secret: protectedPair, Public: publicOf(pairActive, protectedPublic),
		},
		want: Plan{
			RotationState: pairActive.RotationState(), Status: statusOf(readyWith(pairActive)),
			Protection: RemoveProtection, ReleasePublic: true,
		},
	},
	"a ConfigMap that alone is protected loses its protection": {
		observation: Observation{
			PublicKeyEnabled: true, Key: pairKey(), Source: pairSource(0), Releasing: true,
			Secret: pairSecret(pairActive), Public: publicOf(pairActive, protectedPublic),
		},
		want: Plan{
			RotationState: pairActive.RotationState(), Status: statusOf(readyWith(pairActive)),
			Protection: RemoveProtection, ReleasePublic: true,
		},
	},
	"existing material of a type that is not enabled keeps signing": {
		observation: Observation{Key: pairKey(), Source: pairSource(0), Secret: pairSecret(pairActive), Public: publicOf(pairActive)},
		want: Plan{
			RotationState: pairActive.RotationState(),
			Status:        statusOf(readyWith(pairActive), readyAs(earlier, signetv1alpha1.ReasonTypeNotEnabled, typeStillSigns)),
			Events:        []event{normal(signetv1alpha1.ReasonTypeNotEnabled, typeStillSigns)},
		},
	},
}
