// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

var _ = Describe("A SignatureBinding", func() {
	It("takes four writes to bind a key for the first time, and none afterwards", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		manager := startBoth()
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key).Status.KeyID).NotTo(BeEmpty())
		}).Should(Succeed())
		before := len(manager.Requests.Writes(namespace))
		binding := env.Create(ctx, admin, gen.SignatureBinding("orders", "orders", gen.InNamespace(namespace), gen.WithAPIs("a", "b", "c")))
		Expect(env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)).To(Equal(`SignatureKey "orders" signs for all 3 APIs.`))
		Eventually(func(g Gomega) {
			fresh := env.Reload(g, ctx, admin, key)
			g.Expect(controllerutil.ContainsFinalizer(fresh, signetv1alpha1.FinalizerProtection)).To(BeTrue())
			g.Expect(fresh.Status.Bindings).To(HaveField("Count", BeEquivalentTo(1)))
		}).Should(Succeed())
		Consistently(func() []string { return manager.Requests.Writes(namespace)[before:] }).
			WithTimeout(2 * time.Second).Should(HaveLen(4))
	})

	// Invariant 5; keys have their own test in each of their states.
	It("costs no request while it is unchanged", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		manager := startBoth()
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		bindings := []*signetv1alpha1.SignatureBinding{
			env.Create(ctx, admin, gen.SignatureBinding("bound", "orders", gen.InNamespace(namespace), gen.WithAPIs("a", "b"))),
			env.Create(ctx, admin, gen.SignatureBinding("conflicted", "orders", gen.InNamespace(namespace), gen.WithAPIs("a"), rival)),
			env.Create(ctx, admin, gen.SignatureBinding("standby", "orders", gen.InNamespace(namespace), gen.WithAPIs("b"))),
			env.Create(ctx, admin, gen.SignatureBinding("keyless", "misspelled", gen.InNamespace(namespace), gen.WithAPIs("c"))),
		}
		env.ExpectReady(ctx, admin, bindings[0], metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		env.ExpectReady(ctx, admin, bindings[1], metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		env.ExpectReady(ctx, admin, bindings[2], metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
		env.ExpectReady(ctx, admin, bindings[3], metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotFound)
		settled(manager, namespace)
		before := len(manager.Requests.Of(namespace))
		for range 100 {
			for _, binding := range bindings {
				_, err := manager.Bindings.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(binding)})
				Expect(err).NotTo(HaveOccurred())
			}
		}
		Expect(manager.Requests.Of(namespace)[before:]).To(BeEmpty())
	})

	It("holds one API of fifty that were bound at once, and the same after a restart", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		watchNamespace(ctx, namespace)
		manager := startBoth()
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				defer GinkgoRecover()
				claim := gen.SignatureBinding(fmt.Sprintf("b-%02d", i), "orders", gen.InNamespace(namespace), gen.WithAPIs("shared"))
				if i%2 == 1 {
					rival(claim)
				}
				env.Create(ctx, admin, claim)
			})
		}
		all.Wait()
		var holder []string
		Eventually(func(g Gomega) {
			holder = holders(g, ctx, namespace, "shared")
			g.Expect(holder).To(HaveLen(1))
			var list signetv1alpha1.SignatureBindingList
			g.Expect(admin.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
			expectLosers(g, list.Items, holder[0])
		}).WithTimeout(proc.Long).Should(Succeed())
		settled(manager, namespace)
		manager.Stop()
		again := startBoth()
		Consistently(func(g Gomega) []string { return holders(g, ctx, namespace, "shared") }).
			WithTimeout(2 * time.Second).Should(Equal(holder))
		Expect(again.Requests.Writes(namespace)).To(BeEmpty())
	})

	It("moves up when the holder is deleted, or drops the API", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		watchNamespace(ctx, namespace)
		startBoth()
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		first := env.Create(ctx, admin, gen.SignatureBinding("first", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared", "own")))
		env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		second := env.Create(ctx, admin, gen.SignatureBinding("second", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared"), rival))
		Expect(env.ExpectReady(ctx, admin, second, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)).To(Equal(
			`1 of 1 APIs are held by other bindings in environment "RELEASE": API "shared" by SignatureBinding "first". ` +
				"Delete the API from one of the two; this binding then takes over automatically."))
		env.Update(ctx, admin, first, func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = b.Spec.APIs[1:] })
		env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		third := env.Create(ctx, admin, gen.SignatureBinding("third", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		env.ExpectReady(ctx, admin, third, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		Expect(admin.Delete(ctx, second)).To(Succeed())
		env.ExpectReady(ctx, admin, third, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	})

	It("moves up when one that came before it, and has no key, drops the API", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		startBoth()
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		first := env.Create(ctx, admin, gen.SignatureBinding("first", "misspelled", gen.InNamespace(namespace), gen.WithAPIs("shared", "own")))
		env.ExpectReady(ctx, admin, first, metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotFound)
		second := env.Create(ctx, admin, gen.SignatureBinding("second", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared")))
		env.ExpectReady(ctx, admin, second, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		env.Update(ctx, admin, first, func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = b.Spec.APIs[1:] })
		env.ExpectReady(ctx, admin, second, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	})

	DescribeTable("gets an API that one commit moves from another binding",
		func(ctx SpecContext, dropFirst bool) {
			namespace := env.NewNamespace(ctx, admin)
			watchNamespace(ctx, namespace)
			startBoth()
			env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
			from := env.Create(ctx, admin, gen.SignatureBinding("from", "orders", gen.InNamespace(namespace), gen.WithAPIs("moving", "stays")))
			to := env.Create(ctx, admin, gen.SignatureBinding("to", "orders", gen.InNamespace(namespace), gen.WithAPIs("other")))
			env.ExpectReady(ctx, admin, from, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			env.ExpectReady(ctx, admin, to, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			steps := []func(){
				func() {
					env.Update(ctx, admin, from, func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = b.Spec.APIs[1:] })
				},
				func() {
					env.Update(ctx, admin, to, func(b *signetv1alpha1.SignatureBinding) {
						b.Spec.APIs = append(b.Spec.APIs, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "moving"))
					})
				},
			}
			if !dropFirst {
				steps[0], steps[1] = steps[1], steps[0]
			}
			for _, step := range steps {
				step()
			}
			env.ExpectReady(ctx, admin, from, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			env.ExpectReady(ctx, admin, to, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			Expect(holders(Default, ctx, namespace, "moving")).To(Equal([]string{"to"}))
		},
		Entry("dropped before it is added", true),
		Entry("added before it is dropped", false),
	)

	It("keeps the old key until the new one is ready, and lists it as previous for a minute", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		now := clocktesting.NewFakePassiveClock(time.Now())
		cluster.StartManager(env.ManagerOptions{Bindings: true, Routes: &scriptedRoutes{}, Clock: now})
		env.Create(ctx, admin, gen.SignatureKey("old", gen.InNamespace(namespace)))
		binding := env.Create(ctx, admin, gen.SignatureBinding("orders", "old", gen.InNamespace(namespace), gen.WithAPIs("orders")))
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		env.Update(ctx, admin, binding, func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = "new" })
		Expect(env.ExpectReady(ctx, admin, binding, metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotFound)).To(HaveSuffix(`Until then, SignatureKey "old" keeps signing.`))
		Expect(env.Reload(Default, ctx, admin, binding).Status).To(And(HaveField("KeyName", "old"), HaveField("BoundAPIs", BeEquivalentTo(1))))
		env.Create(ctx, admin, gen.SignatureKey("new", gen.InNamespace(namespace)))
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		fresh := env.Reload(Default, ctx, admin, binding)
		Expect(fresh.Status.KeyName).To(Equal("new"))
		Expect(fresh.Status.PreviousKeys).To(ConsistOf(HaveField("Name", "old")))
		now.SetTime(now.Now().Add(2 * time.Minute))
		env.Update(ctx, admin, binding, func(b *signetv1alpha1.SignatureBinding) { b.Labels = map[string]string{"look": "again"} })
		Eventually(func(g Gomega) { g.Expect(env.Reload(g, ctx, admin, binding).Status.PreviousKeys).To(BeEmpty()) }).Should(Succeed())
	})

	It("turns red when it has waited for its key for five minutes", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		now := clocktesting.NewFakePassiveClock(time.Now())
		cluster.StartManager(env.ManagerOptions{Bindings: true, Routes: &scriptedRoutes{}, Clock: now})
		binding := env.Create(ctx, admin, gen.SignatureBinding("orders", "misspelled", gen.InNamespace(namespace), gen.WithAPIs("orders")))
		Expect(env.ExpectReady(ctx, admin, binding, metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotFound)).To(Equal(
			`SignatureKey "misspelled" does not exist in this namespace. Create it or fix spec.keyRef.name.`))
		now.SetTime(now.Now().Add(6 * time.Minute))
		env.Update(ctx, admin, binding, func(b *signetv1alpha1.SignatureBinding) { b.Labels = map[string]string{"look": "again"} })
		env.ExpectReady(ctx, admin, binding, metav1.ConditionFalse, signetv1alpha1.ReasonKeyNotFound)
	})

	It("reports routes that are published, taken offline and published again", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		routes := &scriptedRoutes{}
		cluster.StartManager(env.ManagerOptions{Bindings: true, Routes: routes})
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		binding := gen.SignatureBinding("orders", "orders", gen.InNamespace(namespace), gen.WithHTTPRoutes("orders"))
		env.Create(ctx, admin, binding)
		env.ExpectReady(ctx, admin, binding, metav1.ConditionUnknown, signetv1alpha1.ReasonNotPublished)
		since := env.Reload(Default, ctx, admin, binding).Status.APIs[0].BoundAt
		Expect(since).NotTo(BeNil(), "the slot is held, published or not")
		routes.serve(namespace, 2)
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		routes.serve(namespace, 0)
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonPartlyOffline)
		Expect(env.Reload(Default, ctx, admin, binding).Status.APIs[0].BoundAt).To(Equal(since))
		routes.serve(namespace, 1)
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	})

	It("holds nothing with a key that was deleted before it, and holds no deletion up", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		startBoth()
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		first := env.Create(ctx, admin, gen.SignatureBinding("first", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders")))
		env.ExpectReady(ctx, admin, first, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		Expect(admin.Delete(ctx, key)).To(Succeed())
		deleted := env.Reload(Default, ctx, admin, key).DeletionTimestamp
		Eventually(time.Now).Should(BeTemporally(">", deleted.Add(time.Second)))
		late := env.Create(ctx, admin, gen.SignatureBinding("late", "orders", gen.InNamespace(namespace), gen.WithAPIs("other")))
		env.ExpectReady(ctx, admin, late, metav1.ConditionFalse, signetv1alpha1.ReasonKeyTerminating)
		younger := env.Create(ctx, admin, gen.SignatureBinding("younger", "missing", gen.InNamespace(namespace), gen.WithAPIs("other")))
		env.ExpectReady(ctx, admin, younger, metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotFound)

		By("making it a claimant again when the key is gone")
		Expect(admin.Delete(ctx, first)).To(Succeed())
		Eventually(func() bool {
			return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(key), key.DeepCopy()))
		}).Should(BeTrue())
		env.ExpectReady(ctx, admin, late, metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotFound)
		env.ExpectReady(ctx, admin, younger, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
	})

	It("lists a thousand APIs with the longest names, all of them taken", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		startBoth()
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		routes := make([]signetv1alpha1.APIReference, 1000)
		for i := range routes {
			routes[i] = signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, fmt.Sprintf("%04d", i)+strings.Repeat("a", 249))
		}
		holder := gen.SignatureBinding(strings.Repeat("h", 253), "orders", gen.InNamespace(namespace))
		holder.Spec.APIs = routes
		env.Create(ctx, admin, holder)
		env.ExpectReady(ctx, admin, holder, metav1.ConditionUnknown, signetv1alpha1.ReasonNotPublished)
		loser := gen.SignatureBinding(strings.Repeat("z", 253), "orders", gen.InNamespace(namespace), rival)
		loser.Spec.APIs = routes
		env.Create(ctx, admin, loser)
		env.ExpectReady(ctx, admin, loser, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		Expect(env.Reload(Default, ctx, admin, loser).Status.APIs).To(HaveLen(1000))
	})
})

// expectLosers expects that those who sign as the holder does are on standby if
// who comes next does so too, and that all others are Conflicted.
func expectLosers(g Gomega, bindings []signetv1alpha1.SignatureBinding, holder string) {
	slices.SortFunc(bindings, func(a, b signetv1alpha1.SignatureBinding) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	at := slices.IndexFunc(bindings, func(b signetv1alpha1.SignatureBinding) bool { return b.Name == holder })
	losers := slices.Delete(slices.Clone(bindings), at, at+1)
	next := losers[0]
	for _, loser := range losers {
		want := signetv1alpha1.APIConflicted
		if loser.Spec.SignatureHeader == bindings[at].Spec.SignatureHeader && next.Spec.SignatureHeader == loser.Spec.SignatureHeader {
			want = signetv1alpha1.APIStandby
		}
		g.Expect(loser.Status.APIs).To(ConsistOf(And(HaveField("State", want), HaveField("Holder", holder))), loser.Name)
	}
}

// settled waits until the manager has nothing more to write.
func settled(manager *env.Manager, namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		before := len(manager.Requests.Writes(namespace))
		g.Consistently(func() []string { return manager.Requests.Writes(namespace) }).WithTimeout(time.Second).Should(HaveLen(before))
	}).Should(Succeed())
}
