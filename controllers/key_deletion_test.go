// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

var _ = Describe("The protection of a SignatureKey", func() {
	var (
		namespace string
		manager   *env.Manager
		key       *signetv1alpha1.SignatureKey
	)
	isProtected := func(ctx context.Context) func(Gomega) {
		return func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key).Finalizers).To(ContainElement(signetv1alpha1.FinalizerProtection))
			g.Expect(managedSecret(g, ctx, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
		}
	}
	BeforeEach(func(ctx SpecContext) {
		namespace = env.NewNamespace(ctx, admin)
		manager = cluster.StartManager(env.ManagerOptions{})
		key = readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
	})

	It("is restored and removed with two writes, the Secret's first", func(ctx SpecContext) {
		before := len(manager.Requests.Writes(namespace))
		binding := bound(ctx, key)
		Eventually(isProtected(ctx)).Should(Succeed())
		eventually(ctx, key, match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonBound, "Used by 1 binding: shop."))
		finalizers := func() []string { return onFinalizers(manager.Requests.Writes(namespace)[before:]) }
		Eventually(finalizers).Should(match.Writes("patch secrets/orders", "patch signaturekeys/orders"))
		settled(manager, namespace)

		before = len(manager.Requests.Writes(namespace))
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		eventually(ctx, key, match.InUse(metav1.ConditionFalse, signetv1alpha1.ReasonNotBound))
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key).Finalizers).To(BeEmpty())
			g.Expect(managedSecret(g, ctx, key).Finalizers).To(BeEmpty())
		}).Should(Succeed())
		Eventually(finalizers).Should(match.Writes("patch secrets/orders", "patch signaturekeys/orders"))
	})

	It("blocks the deletion until the last binding is removed", func(ctx SpecContext) {
		binding := bound(ctx, key)
		Eventually(isProtected(ctx)).Should(Succeed())
		source := env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(namespace)))
		Expect(admin.Delete(ctx, key)).To(Succeed())
		after := eventually(ctx, key, match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonDeletionBlocked,
			"The key is being deleted but keeps signing while it is used by 1 binding: shop. Delete each, or move it to another key."))
		Expect(after).To(match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonReady))
		Eventually(func(g Gomega) {
			g.Expect(env.Events(g, ctx, admin, key)).To(ContainElement(ContainSubstring("DeletionBlocked")))
		}).Should(Succeed())
		Expect(reconcileMany(ctx, manager, key)).To(BeEmpty())

		By("continuing to sign and to rotate")
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { gen.WithSource(source.Name)(k); gen.WithShortRotation()(k) })
		Eventually(func(g Gomega) {
			g.Expect(managedSecret(g, ctx, key).Data["secret"]).To(BeEquivalentTo(plantedSecret))
		}).Should(Succeed())

		Expect(admin.Delete(ctx, binding)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).Should(Succeed())
		Eventually(func(g Gomega) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders"}}
			env.ExpectGone(g, ctx, admin, secret)
		}).WithTimeout(proc.Long).Should(Succeed())
	})

	It("keeps a Secret that is deleted while its key exists", func(ctx SpecContext) {
		binding := bound(ctx, key)
		Eventually(isProtected(ctx)).Should(Succeed())
		secret := managedSecret(Default, ctx, key)
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		eventually(ctx, key, match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonSecretTerminating))
		Expect(managedSecret(Default, ctx, key).Data).To(Equal(secret.Data))

		By("keeping it when the binding is removed")
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		eventually(ctx, key, match.InUse(metav1.ConditionFalse, signetv1alpha1.ReasonNotBound))
		Consistently(isProtected(ctx)).Should(Succeed())
		Expect(reconcileMany(ctx, manager, key)).To(BeEmpty())

		By("removing it with the key")
		Expect(admin.Delete(ctx, key)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key); env.ExpectGone(g, ctx, admin, secret) }).Should(Succeed())
	})

	It("leaves the Secret with the deletion policy Retain", func(ctx SpecContext) {
		env.Update(ctx, admin, key, gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain))
		binding := bound(ctx, key)
		Eventually(isProtected(ctx)).Should(Succeed())
		Expect(admin.Delete(ctx, key)).To(Succeed())
		eventually(ctx, key, match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonDeletionBlocked))
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).Should(Succeed())
		left := managedSecret(Default, ctx, key)
		Expect(left.Finalizers).To(BeEmpty())
		Expect(left.OwnerReferences).To(BeEmpty())
		Expect(left.Labels).To(HaveKeyWithValue(signetv1alpha1.LabelKey, "orders"))
	})

	It("does not block the deletion of its namespace", func(ctx SpecContext) {
		bound(ctx, key)
		Eventually(isProtected(ctx)).Should(Succeed())
		terminating := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		Expect(admin.Delete(ctx, terminating)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, terminating) }).WithTimeout(proc.Long).Should(Succeed())
	})
})

var _ = Describe("A Secret without its key", func() {
	orphan := func(ctx context.Context) (*corev1.Secret, string) {
		namespace := env.NewNamespace(ctx, admin)
		secret := env.Create(ctx, admin, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: "orders", Finalizers: []string{signetv1alpha1.FinalizerProtection},
				Labels: map[string]string{signetv1alpha1.LabelMaterial: "managed", signetv1alpha1.LabelKey: "orders"},
			},
			Type: signetv1alpha1.SecretType,
		})
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		return secret, namespace
	}

	It("stays protected for a key that may be created later", func(ctx SpecContext) {
		secret, namespace := orphan(ctx)
		manager := cluster.StartManager(env.ManagerOptions{})
		Consistently(func(g Gomega) { env.Reload(g, ctx, admin, secret) }).Should(Succeed())
		Expect(manager.Requests.Writes(namespace)).To(BeEmpty())
	})

	It("is adopted by a new key even while it is being deleted", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		first := cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		first.Stop()
		secret := env.Update(ctx, admin, managedSecret(Default, ctx, key), func(s *corev1.Secret) {
			s.Finalizers, s.OwnerReferences = []string{signetv1alpha1.FinalizerProtection}, nil
		})
		Expect(admin.Delete(ctx, key)).To(Succeed())
		Expect(admin.Delete(ctx, secret)).To(Succeed())

		cluster.StartManager(env.ManagerOptions{})
		key = eventually(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))), match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonSecretTerminating))
		Expect(key.Status.KeyID).To(BeEquivalentTo(secret.Data["key-id"]))
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection), "else the Secret would outlive it")
		}).Should(Succeed())
		Expect(admin.Delete(ctx, key)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key); env.ExpectGone(g, ctx, admin, secret) }).Should(Succeed())
	})

	It("is removed with its namespace", func(ctx SpecContext) {
		secret, namespace := orphan(ctx)
		cluster.StartManager(env.ManagerOptions{})
		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, secret) }).Should(Succeed())
	})

	It("is removed with its namespace where the manager may not watch namespaces", func(ctx SpecContext) {
		secret, namespace := orphan(ctx)
		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		cluster.StartManager(env.ManagerOptions{Namespaces: []string{namespace}})
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, secret) }).Should(Succeed())
	})
})

var _ = Describe("Deleting a SignatureKey", Ordered, func() {
	BeforeAll(func(ctx SpecContext) { waitForGarbageCollector(ctx) })

	DescribeTable("keeps its bytes readable until the binding is removed",
		func(ctx SpecContext, policy metav1.DeletionPropagation, stays bool) {
			namespace := env.NewNamespace(ctx, admin)
			cluster.StartManager(env.ManagerOptions{})
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
			binding := bound(ctx, key)
			Eventually(func(g Gomega) {
				g.Expect(env.Reload(g, ctx, admin, key).Finalizers).To(ContainElement(signetv1alpha1.FinalizerProtection))
			}).Should(Succeed())
			data := managedSecret(Default, ctx, key).Data

			Expect(admin.Delete(ctx, key, client.PropagationPolicy(policy))).To(Succeed())
			eventually(ctx, key, match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonDeletionBlocked))
			Consistently(func(g Gomega) {
				g.Expect(managedSecret(g, ctx, key).Data).To(Equal(data))
				g.Expect(env.Reload(g, ctx, admin, key).Status.KeyID).To(Equal(key.Status.KeyID))
			}).WithTimeout(3 * time.Second).Should(Succeed())

			secret := managedSecret(Default, ctx, key)
			Expect(admin.Delete(ctx, binding)).To(Succeed())
			Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).Should(Succeed())
			if stays {
				Consistently(func(g Gomega) {
					left := managedSecret(g, ctx, key)
					g.Expect(left.OwnerReferences).To(BeEmpty())
					g.Expect(left.Finalizers).To(BeEmpty())
				}).Should(Succeed())
			} else {
				Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, secret) }).Should(Succeed())
			}
		},
		Entry("in the background", metav1.DeletePropagationBackground, false),
		Entry("in the foreground", metav1.DeletePropagationForeground, false),
		Entry("orphaning the Secret", metav1.DeletePropagationOrphan, true),
	)

	DescribeTable("takes effect at once where no binding uses it",
		func(ctx SpecContext, policy metav1.DeletionPropagation, stays bool) {
			namespace := env.NewNamespace(ctx, admin)
			cluster.StartManager(env.ManagerOptions{})
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
			secret := managedSecret(Default, ctx, key)
			waitForCollection(ctx, namespace)
			Expect(admin.Delete(ctx, key, client.PropagationPolicy(policy))).To(Succeed())
			Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).Should(Succeed())
			if stays {
				left := managedSecret(Default, ctx, key)
				Expect(left.OwnerReferences).To(BeEmpty())
				Expect(left.Data).To(Equal(secret.Data))
			} else {
				Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, secret) }).Should(Succeed())
			}
		},
		Entry("in the background", metav1.DeletePropagationBackground, false),
		Entry("in the foreground", metav1.DeletePropagationForeground, false),
		Entry("orphaning the Secret", metav1.DeletePropagationOrphan, true),
	)
})

// onFinalizers omits writes of status.
func onFinalizers(writes []string) []string {
	var left []string
	for _, write := range writes {
		if write != "PATCH /apis/signet.dev/v1alpha1/signaturekeys/orders/status" {
			left = append(left, write)
		}
	}
	return left
}
