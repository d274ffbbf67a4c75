// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"net/http"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const managerMetric = "signet_namespace_served"

// remove deletes a namespace and waits until it is gone.
func remove(ctx context.Context, name string) {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	Expect(client.IgnoreNotFound(admin.Delete(ctx, namespace))).To(Succeed())
	Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, namespace) }).WithTimeout(proc.Long).Should(Succeed())
}

// protected reports whether a key and its Secret have Signet's finalizer.
func protected(g Gomega, ctx context.Context, key *signetv1alpha1.SignatureKey) []bool {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}}
	var found []bool
	for _, object := range []client.Object{env.Reload(g, ctx, admin, key), env.Reload(g, ctx, admin, secret)} {
		found = append(found, len(object.GetFinalizers()) > 0)
	}
	return found
}

var _ = Describe("A manager for several namespaces", Ordered, func() {
	var (
		manager *env.ManagerProcess
		key     *signetv1alpha1.SignatureKey
		binding *signetv1alpha1.SignatureBinding
		names   = []string{"served", "refused", "absent"}
	)
	BeforeAll(func(ctx SpecContext) {
		create(ctx, "served")
		grant(ctx, "served")
		create(ctx, "refused")
		manager = launchManager(ctx, names)
		DeferCleanup(func() { _ = manager.Stop() }) // the one that is started last
	})

	It("serves one although another does not exist and a third has no roles", func(ctx SpecContext) {
		_, served := apply(ctx, "served", "first")
		expectBound(ctx, served)
		expectServed(ctx, manager.Metrics, managerMetric, "served", true)
		expectServed(ctx, manager.Metrics, managerMetric, "refused", false)
		expectServed(ctx, manager.Metrics, managerMetric, "absent", false)
		status, _ := get(ctx, manager.Probes, "/readyz")
		Expect(status).To(Equal(http.StatusOK))
		log, err := os.ReadFile(manager.Log)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(log)).To(And(
			ContainSubstring("system:serviceaccount:signet-system:signet-controller-manager is not allowed to get, list, watch, patch signaturekeys.signet.dev in namespace refused"),
			ContainSubstring("apply its RoleBinding"),
		))
	})

	It("takes up those that are there later, without a restart", func(ctx SpecContext) {
		grant(ctx, "refused")
		create(ctx, "absent")
		grant(ctx, "absent")
		for _, name := range names[1:] {
			expectServed(ctx, manager.Metrics, managerMetric, name, true)
			_, served := apply(ctx, name, "first")
			expectBound(ctx, served)
		}
	})

	It("leaves a namespace whose RoleBinding is deleted, and serves the others", func(ctx SpecContext) {
		key, binding = apply(ctx, "refused", "second")
		expectBound(ctx, binding)
		Expect(protected(Default, ctx, key)).To(Equal([]bool{true, true}))
		Expect(admin.Delete(ctx, roleBinding("refused"))).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, roleBinding("refused")) }).Should(Succeed())
		Expect(protected(Default, ctx, key)).To(Equal([]bool{false, false}))
		env.ExpectReady(ctx, admin, key, metav1.ConditionFalse, signetv1alpha1.ReasonNotServed)
		expectServed(ctx, manager.Metrics, managerMetric, "refused", false)
		_, served := apply(ctx, "served", "second")
		expectBound(ctx, served)
	})

	It("protects its keys again when the RoleBinding is back, also as another leader", func(ctx SpecContext) {
		Expect(manager.Stop()).To(Succeed())
		manager = launchManager(ctx, names)
		_, served := apply(ctx, "served", "third")
		expectBound(ctx, served)
		grant(ctx, "refused")
		expectServed(ctx, manager.Metrics, managerMetric, "refused", true)
		env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
		Eventually(func(g Gomega) { g.Expect(protected(g, ctx, key)).To(Equal([]bool{true, true})) }).Should(Succeed())
		expectBound(ctx, binding)
		_, later := apply(ctx, "refused", "third")
		expectBound(ctx, later)
	})

	It("serves a namespace that has been deleted and created again", func(ctx SpecContext) {
		remove(ctx, "absent")
		create(ctx, "absent")
		grant(ctx, "absent")
		key, binding := apply(ctx, "absent", "first")
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, binding).Status.BoundAPIs).To(BeEquivalentTo(1))
		}).WithTimeout(proc.Long).Should(Succeed())
		Expect(admin.Delete(ctx, key)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key).Status.Conditions).To(ContainElement(And(
				HaveField("Type", signetv1alpha1.ConditionInUse), HaveField("Reason", signetv1alpha1.ReasonDeletionBlocked))))
		}).Should(Succeed())
		Expect(protected(Default, ctx, key)).To(Equal([]bool{true, true}))
	})
})
