// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

var _ = Describe("A binding that wants what another one does", func() {
	// A renamed binding is there twice while GitOps tools replace the old one, and
	// some wait for the new one to be ready before they delete the old.
	It("stands by, Ready all the time, while another signs with the same key in the same way", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		w := watchNamespace(ctx, namespace)
		startBoth()
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		first := env.Create(ctx, admin, gen.SignatureBinding("first", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		second := env.Create(ctx, admin, gen.SignatureBinding("second", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared", "own")))
		third := env.Create(ctx, admin, gen.SignatureBinding("third", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		Expect(env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonStandby)).To(Equal(
			`SignatureKey "orders" signs for all 2 APIs, 1 of which other bindings hold: API "shared" by SignatureBinding "first". ` +
				"This binding takes over when they release them. Delete the binding that is not needed."))
		env.ExpectReady(ctx, admin, third, metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
		Expect(holders(Default, ctx, namespace, "shared")).To(Equal([]string{"first"}))
		Expect(env.Reload(Default, ctx, admin, second).Status).To(And(HaveField("BoundAPIs", BeEquivalentTo(1)), HaveField("KeyName", "orders")))

		Expect(admin.Delete(ctx, first)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(holders(g, ctx, namespace, "shared")).To(Equal([]string{"second"}))
			g.Expect(env.Reload(g, ctx, admin, third).Status.APIs).To(ConsistOf(And(
				HaveField("State", signetv1alpha1.APIStandby), HaveField("Holder", "second"))))
		}).Should(Succeed())
		env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		Expect(w.Failures()).To(BeEmpty(), "bindings that were red at one instant")
	})

	DescribeTable("is Conflicted as soon as the holder signs differently, and stands by again",
		func(ctx SpecContext, apart, together func(*signetv1alpha1.SignatureBinding)) {
			namespace := env.NewNamespace(ctx, admin)
			startBoth()
			env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
			env.Create(ctx, admin, gen.SignatureKey("other", gen.InNamespace(namespace)))
			first := env.Create(ctx, admin, gen.SignatureBinding("first", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
			env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			second := env.Create(ctx, admin, gen.SignatureBinding("second", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
			env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
			env.Update(ctx, admin, first, apart)
			env.ExpectReady(ctx, admin, second, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
			env.Update(ctx, admin, first, together)
			env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
		},
		Entry("with another key",
			func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = "other" },
			func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = "orders" }),
		Entry("with the body",
			func(b *signetv1alpha1.SignatureBinding) { b.Spec.Payload = signetv1alpha1.PayloadSigned },
			func(b *signetv1alpha1.SignatureBinding) { b.Spec.Payload = "" }),
	)

	It("is Conflicted if the API would go to one that signs differently", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		startBoth()
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		first := env.Create(ctx, admin, gen.SignatureBinding("first", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		rival := env.Create(ctx, admin, gen.SignatureBinding("a-rival", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared"), rival))
		env.ExpectReady(ctx, admin, rival, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		second := env.Create(ctx, admin, gen.SignatureBinding("second", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		Expect(env.ExpectReady(ctx, admin, second, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)).To(HaveSuffix(
			`SignatureBinding "a-rival" is next in line and signs differently.`))
		Expect(admin.Delete(ctx, rival)).To(Succeed())
		env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
	})

	It("is as little Ready as that one while the route is not published", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		routes := &scriptedRoutes{}
		cluster.StartManager(env.ManagerOptions{Bindings: true, Routes: routes})
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		claim := func(name string) *signetv1alpha1.SignatureBinding {
			binding := gen.SignatureBinding(name, "orders", gen.InNamespace(namespace), gen.WithHTTPRoutes("orders"))
			return env.Create(ctx, admin, binding)
		}
		first := claim("first")
		env.ExpectReady(ctx, admin, first, metav1.ConditionUnknown, signetv1alpha1.ReasonNotPublished)
		second := claim("second")
		Expect(env.ExpectReady(ctx, admin, second, metav1.ConditionUnknown, signetv1alpha1.ReasonNotPublished)).To(HavePrefix(
			`1 of 1 APIs were never published in environment "RELEASE": HTTPRoute "orders".`))
		Expect(env.Reload(Default, ctx, admin, second).Status.APIs).To(ConsistOf(HaveField("State", signetv1alpha1.APIStandby)))
		routes.serve(namespace, 1)
		env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
		routes.serve(namespace, 0)
		env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonPartlyOffline)
		env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
	})

	It("is promised nothing if it came after its key's deletion", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		startBoth()
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		first := env.Create(ctx, admin, gen.SignatureBinding("first", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		Expect(admin.Delete(ctx, key)).To(Succeed())
		deleted := env.Reload(Default, ctx, admin, key).DeletionTimestamp
		Eventually(time.Now).Should(BeTemporally(">", deleted.Add(time.Second)))
		late := env.Create(ctx, admin, gen.SignatureBinding("late", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		env.ExpectReady(ctx, admin, late, metav1.ConditionFalse, signetv1alpha1.ReasonKeyTerminating)
		Expect(env.Reload(Default, ctx, admin, late).Status.APIs).To(ConsistOf(And(
			HaveField("State", signetv1alpha1.APIPending), HaveField("Message", "the key is being deleted; set spec.keyRef to another key"))))
	})
})
