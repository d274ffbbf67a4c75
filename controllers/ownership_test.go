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
	"github.com/signet-dev/signet/internal/testing/proc"
)

var _ = Describe("The ownership of objects", func() {
	It("is not proven by what a writer of Secrets can forge", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		recorded := key.Status
		lost := loseSecret(ctx, key)
		data := map[string][]byte{}
		for name, value := range lost.Data {
			data[name] = value
		}
		forged := env.Create(ctx, admin, gen.ManagedSecret(key, data, gen.SecretFunc(func(s *corev1.Secret) { s.Labels = nil })))
		// What the live read finds depends on whether the forged Secret exists already.
		key = eventually(ctx, key, Or(
			match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretOwnedByOther, "without the label"),
			match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost)))
		Expect(key.Status.KeyID).To(BeEmpty())
		Expect(key.Status.SecretUID).To(Equal(recorded.SecretUID))
		Expect(managedSecret(Default, ctx, key).ResourceVersion).To(Equal(forged.ResourceVersion))

		By("adopting a copy of the one on record")
		Expect(admin.Delete(ctx, forged)).To(Succeed())
		env.Create(ctx, admin, gen.ManagedSecret(key, data, gen.SecretFunc(func(s *corev1.Secret) { s.OwnerReferences = nil })))
		key = readyKey(ctx, key)
		Expect(key.Status.KeyID).To(Equal(recorded.KeyID))
		Expect(key.Status.SecretUID).To(BeEquivalentTo(managedSecret(Default, ctx, key).UID))
	})

	It("survives a Secret without labels, and so does the deletion of its namespace", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace),
			gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain))))
		bound(ctx, key)
		Eventually(func(g Gomega) {
			g.Expect(managedSecret(g, ctx, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
		}).Should(Succeed())
		strip := func(s *corev1.Secret) { s.Labels = nil }
		env.Update(ctx, admin, managedSecret(Default, ctx, key), strip)
		Eventually(func(g Gomega) {
			g.Expect(managedSecret(g, ctx, key).Labels).To(HaveKeyWithValue(signetv1alpha1.LabelKey, "orders"))
		}).Should(Succeed())
		Expect(readyKey(ctx, key).Status.SecretUID).To(BeEquivalentTo(managedSecret(Default, ctx, key).UID))

		env.Update(ctx, admin, managedSecret(Default, ctx, key), strip)
		terminating := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		Expect(admin.Delete(ctx, terminating)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, terminating) }).WithTimeout(proc.Long).Should(Succeed())
	})

	It("does not pass to a key that is deleted and created again", func(ctx SpecContext) {
		waitForGarbageCollector(ctx)
		namespace := env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		for range 5 {
			old := managedSecret(Default, ctx, key)
			Expect(admin.Delete(ctx, key)).To(Succeed())
			key = env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
			key = readyKey(ctx, key)
			secret := managedSecret(Default, ctx, key)
			Expect(secret.UID).NotTo(Equal(old.UID))
			Expect(secret.Data["secret"]).NotTo(Equal(old.Data["secret"]))
			Expect(key.Status.SecretUID).To(BeEquivalentTo(secret.UID))
		}
	})

	It("of a public ConfigMap is noticed by its name", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{PublicKeyEnabled: true})
		other := env.Create(ctx, admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "orders-public", Labels: map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource},
		}})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey)))
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretOwnedByOther, "orders-public"))
		Expect(admin.Delete(ctx, other)).To(Succeed())
		readyKey(ctx, key)

		By("taking it back once a version is on record")
		public := env.Reload(Default, ctx, admin, other)
		content := public.Data
		Expect(admin.Delete(ctx, public)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, other).Data).To(Equal(content))
		}).Should(Succeed())
	})
})
