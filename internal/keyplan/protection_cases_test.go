// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

func protectionCases() map[string]planCase {
	set := testSet()
	protected := gen.WithFinalizers(protection)
	deleted := gen.DeletedAt(testNow)
	deletedEarlier := gen.DeletedAt(testNow.Add(-time.Minute))
	secret := testSecret(testKey(), set)
	protectedSecret := testSecret(testKey(), set, protected)
	const used = "Used by 1 binding: shop."
	const blocked = "The key is being deleted but keeps signing while it is used by 1 binding: shop. Delete each, or move it to another key."
	unused := normal(signetv1alpha1.ReasonNotBound, "No binding uses the key.")
	users := make([]string, 12)
	for i := range users {
		users[i] = fmt.Sprintf("b%02d", i)
	}
	const usedByMany = "Used by 12 bindings: b00, b01, b02, b03, b04, b05, b06, b07, b08, b09 and 2 more."
	unprotected := bound(set)
	unprotected.Key.Finalizers, unprotected.Secret = nil, secret
	return map[string]planCase{
		"bindings that hold nothing protect nothing": {
			observation: Observation{Key: readyKey(set), Secret: secret, Users: users},
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), usedBy(testNow, signetv1alpha1.ReasonBound, usedByMany, 12, users[:10]...)),
				Events:        []event{normal(signetv1alpha1.ReasonBound, usedByMany)},
			},
		},
		"a holder restores the protection of Secret and key": {
			observation: Observation{Key: readyKey(set), Secret: secret, Users: []string{"shop"}, HasHolder: true},
			want: Plan{
				RotationState: set.RotationState(), Secret: write(secret, protectedSecret), Protection: RestoreProtection,
				Status: statusOf(readyWith(set), boundTo(testNow, "shop")),
				Events: []event{normal(signetv1alpha1.ReasonBound, used)},
			},
		},
		"a holder restores the protection of the key alone": {
			observation: with(unprotected, func(o *Observation) { o.Secret = protectedSecret.DeepCopy() }),
			want: Plan{
				RotationState: set.RotationState(), Protection: RestoreProtection, Status: statusOf(readyWith(set), boundTo(earlier, "shop")),
			},
		},
		"a holder restores the protection of a key that waits for its source": {
			observation: with(unprotected, func(o *Observation) { gen.WithSource("own")(o.Key) }),
			want: Plan{
				RotationState: set.RotationState(), Secret: write(secret, protectedSecret), Protection: RestoreProtection,
				Status: statusOf(readyWith(set), boundTo(earlier, "shop"), resting(earlier, "active-id"),
					waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource)),
				Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)}, RequeueAfter: fiveMinutes,
			},
		},
		"a deleted key cannot be protected any longer": {
			observation: with(unprotected, func(o *Observation) {
				gen.WithFinalizers("example.com/other")(o.Key)
				gen.DeletedAt(testNow)(o.Key)
				o.Secret = protectedSecret.DeepCopy()
			}),
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blocked, 1, "shop")),
				Events:        []event{normal(signetv1alpha1.ReasonDeletionBlocked, blocked)},
			},
		},
		"nothing is protected in a namespace that is being deleted": {
			observation: with(unprotected, func(o *Observation) { o.NamespaceTerminating = true }),
			want:        Plan{RotationState: set.RotationState(), Status: statusOf(readyWith(set), boundTo(earlier, "shop"))},
		},
		"a protected key in use stays as it is": {
			observation: with(bound(set), func(o *Observation) { o.Secret = protectedSecret.DeepCopy() }),
			want:        Plan{RotationState: set.RotationState(), Status: statusOf(readyWith(set), boundTo(earlier, "shop"))},
		},
		"a key that is no longer used loses its protection": {
			observation: Observation{
				Key: readyKey(set, protected, withStatus(readyWith(set), boundTo(earlier, "shop"))), Secret: protectedSecret,
			},
			want: Plan{
				RotationState: set.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(set), notBound(testNow)),
				Events: []event{unused},
			},
		},
		"a Secret that alone is protected loses its protection": {
			observation: Observation{Key: readyKey(set), Secret: protectedSecret},
			want: Plan{
				RotationState: set.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(set)),
			},
		},
		"another Secret does not keep the protection of an unused key": {
			observation: Observation{
				Key:    testKey(protected),
				Secret: gen.SourceSecret("orders", nil, gen.InNamespace("shop"), protected, gen.SecretFunc(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })),
			},
			want: Plan{
				Protection: RemoveProtection, Terminal: true,
				Status: statusOf(stalled(testNow, signetv1alpha1.ReasonSecretOwnedByOther, notManaged), notBound(testNow)),
				Events: []event{warning(signetv1alpha1.ReasonSecretOwnedByOther, notManaged)},
			},
		},
		"a deleted Secret that alone is protected protects its key, which releases it": {
			observation: Observation{Key: readyKey(set), Secret: testSecret(testKey(), set, protected, deletedEarlier)},
			want: Plan{
				RotationState: set.RotationState(), Protection: RestoreProtection,
				Status: statusOf(readyWith(set), readyAs(earlier, signetv1alpha1.ReasonSecretTerminating, secretProtected)),
				Events: []event{normal(signetv1alpha1.ReasonSecretTerminating, secretProtected)},
			},
		},
		"all protection is removed in a namespace that is being deleted": {
			observation: with(bound(set), func(o *Observation) {
				o.Secret, o.NamespaceTerminating = protectedSecret.DeepCopy(), true
			}),
			want: Plan{
				RotationState: set.RotationState(), Protection: RemoveProtection, Status: statusOf(readyWith(set), boundTo(earlier, "shop")),
			},
		},
		"a deleted key in use is blocked and keeps signing": {
			observation: with(bound(set, deleted), func(o *Observation) { o.Secret = protectedSecret.DeepCopy() }),
			want: Plan{
				RotationState: set.RotationState(),
				Status:        statusOf(readyWith(set), usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blocked, 1, "shop")),
				Events:        []event{normal(signetv1alpha1.ReasonDeletionBlocked, blocked)},
			},
		},
		"a deleted key that is not used loses its protection, and nothing else happens": {
			observation: Observation{
				Key:    readyKey(set, protected, deleted, gen.WithTrigger("again"), gen.WithIdentifier("no good?")),
				Secret: testSecret(testKey(), set, protected, deletedEarlier),
			},
			want: Plan{Protection: RemoveProtection, Status: statusOf(readyWith(set))},
		},
		"a deleted key in use loses its protection if its namespace is being deleted": {
			observation: with(bound(set, deleted), func(o *Observation) {
				o.Secret, o.NamespaceTerminating = protectedSecret.DeepCopy(), true
			}),
			want: Plan{
				Protection: RemoveProtection,
				Status:     statusOf(readyWith(set), usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blocked, 1, "shop")),
				Events:     []event{normal(signetv1alpha1.ReasonDeletionBlocked, blocked)},
			},
		},
	}
}

func metadataCases() map[string]planCase {
	set := testSet()
	retain := gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain)
	template := signetv1alpha1.SecretTemplate{
		Labels:      map[string]signetv1alpha1.LabelValue{"team": "shop"},
		Annotations: map[string]signetv1alpha1.AnnotationValue{"example.com/reflect": "true"},
	}
	templated := gen.SecretFunc(func(s *corev1.Secret) {
		s.Labels["team"] = "shop"
		s.Annotations = map[string]string{"example.com/reflect": "true", annotationTemplate: "annotation:example.com/reflect,label:team"}
	})
	renamed := testSet(func(s *material.Set) { s.DisplayName = "another_name" })
	secret := testSecret(testKey(), set)
	repaired := func(name string, harm gen.SecretFunc) (string, planCase) {
		harmed := testSecret(testKey(), set, harm)
		return name, planCase{
			observation: Observation{Key: readyKey(set), Secret: harmed},
			want: Plan{
				RotationState: set.RotationState(), Secret: write(harmed, secret), Status: statusOf(readyWith(set)),
			},
		}
	}
	cases := map[string]planCase{
		"a template is applied to the Secret": {
			observation: Observation{Key: readyKey(set, gen.WithTemplate(template)), Secret: secret},
			want: Plan{
				RotationState: set.RotationState(), Secret: write(secret, testSecret(testKey(), set, templated)), Status: statusOf(readyWith(set)),
			},
		},
		"what a template no longer has is removed": {
			observation: Observation{Key: readyKey(set), Secret: testSecret(testKey(), set, templated)},
			want: Plan{
				RotationState: set.RotationState(), Status: statusOf(readyWith(set)),
				Secret: write(testSecret(testKey(), set, templated), testSecret(testKey(), set, gen.SecretFunc(func(s *corev1.Secret) {
					s.Annotations = map[string]string{}
				}))),
			},
		},
		"a display name is followed without another version": {
			observation: Observation{Key: readyKey(set, gen.WithDisplayName("another_name")), Secret: secret},
			want: Plan{
				RotationState: set.RotationState(), Secret: write(secret, testSecret(testKey(), renamed)),
				Status: statusOf(readyWith(set), func(s *signetv1alpha1.SignatureKeyStatus) { s.DisplayName = "another_name" }),
			},
		},
		"a Secret that is to be retained has no owner": {
			observation: Observation{Key: readyKey(set, retain), Secret: secret},
			want: Plan{
				RotationState: set.RotationState(), Secret: write(secret, testSecret(testKey(), set, retained)), Status: statusOf(readyWith(set)),
			},
		},
		"a target with another name is followed": {
			observation: Observation{Key: testKey(gen.WithTarget("material")), Secret: testSecret(testKey(gen.WithTarget("material")), set)},
			want: Plan{
				RotationState: set.RotationState(),
				Status: statusOf(readyAs(testNow, signetv1alpha1.ReasonReady, `The material is in Secret "material".`), notBound(testNow),
					settled(testNow, "active-id"), showing(set), func(s *signetv1alpha1.SignatureKeyStatus) { s.SecretName = "material" }),
				Events: []event{normal(signetv1alpha1.ReasonReady, `The material is in Secret "material".`)},
			},
		},
	}
	for name, harm := range map[string]gen.SecretFunc{
		"labels":               func(s *corev1.Secret) { s.Labels = nil },
		"the label of the key": func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelKey) },
		"an owner":             func(s *corev1.Secret) { s.OwnerReferences = nil },
		"an owner with the present UID": func(s *corev1.Secret) {
			s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(testKey(gen.WithUID("restored")), signetv1alpha1.GroupVersion.WithKind("SignatureKey"))}
		},
		"only its own data": func(s *corev1.Secret) { s.Data["of-others"] = []byte("x") },
	} {
		name, c := repaired("a Secret that lacks "+name+" is repaired", harm)
		cases[name] = c
	}
	return cases
}
