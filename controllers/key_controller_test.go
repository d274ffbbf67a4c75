// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

var _ = Describe("Material of a SignatureKey", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = env.NewNamespace(ctx, admin) })

	It("is generated with two writes", func(ctx SpecContext) {
		manager := cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithTrigger("first"))))

		secret := managedSecret(Default, ctx, key)
		Expect(secret.Type).To(BeEquivalentTo(signetv1alpha1.SecretType))
		Expect(secret.Labels).To(Equal(map[string]string{
			signetv1alpha1.LabelMaterial: "managed", signetv1alpha1.LabelKey: "orders", signetv1alpha1.LabelManagedBy: "signet",
		}))
		Expect(secret.Finalizers).To(BeEmpty())
		Expect(metav1.IsControlledBy(secret, key)).To(BeTrue())
		Expect(*secret.OwnerReferences[0].BlockOwnerDeletion).To(BeTrue())
		Expect(secret.Data).To(HaveKeyWithValue("type", []byte("HMAC")))
		Expect(secret.Data).To(HaveKeyWithValue("trigger", []byte("first")))
		Expect(secret.Data["key"]).To(HaveLen(32))
		Expect(secret.Data["secret"]).To(HaveLen(64))

		Expect(key.Status.SecretName).To(Equal("orders"))
		Expect(key.Status.DisplayName).To(Equal("orders"))
		Expect(key.Status.Identifier).To(BeEquivalentTo(secret.Data["key"]))
		Expect(key.Status.KeyID).To(BeEquivalentTo(secret.Data["key-id"]))
		Expect(key.Status.Versions).To(HaveLen(1))
		Expect(key.Status.Versions[0].State).To(Equal(signetv1alpha1.VersionActive))
		Expect(key.Status.LastRotationTime).To(Equal(key.Status.Versions[0].Activated))
		Expect(key.Status.ObservedTrigger).To(Equal("first"))
		Expect(key.Status.Bindings.Count).To(BeZero())
		Expect(key.Finalizers).To(BeEmpty())
		Expect(key).To(match.InUse(metav1.ConditionFalse, signetv1alpha1.ReasonNotBound, "No binding uses the key."))

		expectWrites(manager, namespace, 0, "create secrets", "patch signaturekeys/orders/status")
		Eventually(func(g Gomega) {
			g.Expect(env.Events(g, ctx, admin, key)).To(ConsistOf(
				"Normal Generated: Generated new material: Secret \"orders\" has version " + key.Status.KeyID + ".",
			))
		}).Should(Succeed())
	})

	It("is generated when its source has been created and labeled", func(ctx SpecContext) {
		manager := cluster.StartManager(env.ManagerOptions{})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own")))
		eventually(ctx, key, match.Ready(metav1.ConditionUnknown, signetv1alpha1.ReasonSourceNotFound,
			`Secret "own" does not exist or lacks the label signet.dev/signature-material: "true". Create or label it.`))
		expectWrites(manager, namespace, 0, "patch signaturekeys/orders/status")

		By("creating it without its label, and labeling it")
		source := gen.SourceSecret("own", map[string]string{"key": plantedKey}, gen.InNamespace(namespace))
		source.Labels = nil
		env.Create(ctx, admin, source)
		env.Update(ctx, admin, source, func(s *corev1.Secret) {
			s.Labels = map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource}
		})
		Expect(readyKey(ctx, key).Status.Identifier).To(Equal(plantedKey))
		Expect(managedSecret(Default, ctx, key).Data["key"]).To(BeEquivalentTo(plantedKey))
	})

	It("is generated once when the manager ends between Secret and status", func(ctx SpecContext) {
		first := cluster.StartManager(env.ManagerOptions{Fault: func(request *http.Request) error {
			if strings.HasSuffix(request.URL.Path, "/status") && strings.Contains(request.URL.Path, namespace) {
				return errors.New("no status today")
			}
			return nil
		}})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		var generated *corev1.Secret
		Eventually(func(g Gomega) { generated = managedSecret(g, ctx, key) }).Should(Succeed())
		first.Stop()
		Expect(env.Reload(Default, ctx, admin, key).Status.ObservedGeneration).To(BeEquivalentTo(-1))

		second := cluster.StartManager(env.ManagerOptions{})
		key = readyKey(ctx, key)
		Expect(managedSecret(Default, ctx, key).Data).To(Equal(generated.Data))
		expectWrites(second, namespace, 0, "patch signaturekeys/orders/status")
		Eventually(func(g Gomega) {
			reported := env.Events(g, ctx, admin, key)
			g.Expect(reported).To(ContainElement(ContainSubstring("Ready")))
			g.Expect(reported).NotTo(ContainElement(ContainSubstring("Adopted")))
		}).Should(Succeed())
	})

})

var _ = Describe("A managed Secret", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = env.NewNamespace(ctx, admin) })

	DescribeTable("is repaired with one write",
		func(ctx SpecContext, harm func(*corev1.Secret)) {
			manager := cluster.StartManager(env.ManagerOptions{})
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypeBasic))))
			before := managedSecret(Default, ctx, key)
			settled(manager, namespace)
			writes := len(manager.Requests.Writes(namespace))
			env.Update(ctx, admin, before, harm)
			Eventually(func(g Gomega) {
				repaired := managedSecret(g, ctx, key)
				g.Expect(repaired.Labels).To(Equal(before.Labels))
				g.Expect(repaired.OwnerReferences).To(Equal(before.OwnerReferences))
				g.Expect(repaired.Data).To(Equal(before.Data))
			}).Should(Succeed())
			expectWrites(manager, namespace, writes, "patch secrets/orders")
			Expect(env.Reload(Default, ctx, admin, key).Status).To(Equal(key.Status))
		},
		Entry("when no cache shows it, because it has lost its labels", func(s *corev1.Secret) { s.Labels = nil }),
		Entry("when its owner is removed", func(s *corev1.Secret) { s.OwnerReferences = nil }),
	)

})

// reconcileMany reconciles a key a hundred times and returns the requests that this
// sends to the API server. It first waits for the writes that are in progress.
func reconcileMany(ctx context.Context, manager *env.Manager, key client.Object) []string {
	GinkgoHelper()
	settled(manager, key.GetNamespace())
	before := len(manager.Requests.Of(key.GetNamespace()))
	for range 100 {
		_, err := manager.Keys.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(key)})
		Expect(err).NotTo(HaveOccurred())
	}
	return manager.Requests.Of(key.GetNamespace())[before:]
}

// expectWrites waits until the manager's writes in the namespace, without the first
// ones, are these: a write may be seen before its response has been recorded.
func expectWrites(manager *env.Manager, namespace string, without int, writes ...string) {
	GinkgoHelper()
	Eventually(func() []string { return manager.Requests.Writes(namespace)[without:] }).Should(match.Writes(writes...))
}
