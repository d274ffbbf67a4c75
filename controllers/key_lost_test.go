// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

var _ = Describe("Material of a bound key that is lost", func() {
	var (
		namespace string
		key       *signetv1alpha1.SignatureKey
		lost      *corev1.Secret
	)
	BeforeEach(func(ctx SpecContext) {
		namespace = env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{})
		key = readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithTrigger("before"))))
		lost = loseSecret(ctx, key)
		key = eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost))
	})

	It("is not replaced by a trigger that was there before", func(ctx SpecContext) {
		Expect(key.Status.ObservedTrigger).To(Equal("before"))
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { k.Spec.DisplayName = "another_name" })
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost))
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { k.Spec.Rotation = nil })
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost))
	})

	It("is replaced by new material with consent", func(ctx SpecContext) {
		env.Update(ctx, admin, key, gen.WithTrigger("renew"))
		after := readyKey(ctx, key)
		secret := managedSecret(Default, ctx, key)
		Expect(secret.Data["secret"]).NotTo(Equal(lost.Data["secret"]))
		Expect(secret.Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
		Expect(after.Status.KeyID).To(BeEquivalentTo(secret.Data["key-id"]))
		Expect(after.Status.ObservedTrigger).To(Equal("renew"))
	})

	It("keeps the consent until it can take effect", func(ctx SpecContext) {
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { gen.WithTrigger("renew")(k); gen.WithSource("own")(k) })
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost,
			`New material may replace the lost material but cannot be generated yet. Secret "own" does not exist`))
		env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(namespace)))
		readyKey(ctx, key)
		Expect(managedSecret(Default, ctx, key).Data["secret"]).To(BeEquivalentTo(plantedSecret))
	})

	It("returns with its Secret from a backup", func(ctx SpecContext) {
		restored := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders", Labels: lost.Labels, OwnerReferences: lost.OwnerReferences},
			Type:       lost.Type, Data: lost.Data,
		}
		env.Create(ctx, admin, restored)
		after := readyKey(ctx, key)
		Expect(after.Status.KeyID).To(BeEquivalentTo(lost.Data["key-id"]))
		Eventually(func(g Gomega) {
			g.Expect(managedSecret(g, ctx, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
		}).Should(Succeed())
		Expect(managedSecret(Default, ctx, key).Data).To(Equal(lost.Data))
	})

	It("is generated again when no binding uses the key any longer", func(ctx SpecContext) {
		binding := &signetv1alpha1.SignatureBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop"}}
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		after := readyKey(ctx, key)
		Expect(after.Status.KeyID).NotTo(BeEquivalentTo(lost.Data["key-id"]))
		Expect(after.Finalizers).To(BeEmpty())
	})
})

var _ = Describe("Bytes that make no key", func() {
	It("are overwritten with consent alone", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		env.Update(ctx, admin, managedSecret(Default, ctx, key), func(s *corev1.Secret) { s.Data = map[string][]byte{"key": []byte("x")} })
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost))
		Expect(managedSecret(Default, ctx, key).Data).To(Equal(map[string][]byte{"key": []byte("x")}))

		env.Update(ctx, admin, key, gen.WithTrigger("renew"))
		after := readyKey(ctx, key)
		Expect(after.Status.KeyID).To(BeEquivalentTo(managedSecret(Default, ctx, key).Data["key-id"]))
	})
})
