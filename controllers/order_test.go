// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// permutations are all orders of the numbers below n.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			longer := append([]int{}, shorter[:at]...)
			longer = append(longer, n-1)
			all = append(all, append(longer, shorter[at:]...))
		}
	}
	return all
}

// inParallel runs the work for each number below n, a few at a time.
func inParallel(n int, work func(int)) {
	GinkgoHelper()
	const atOnce = 12
	var all sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			defer GinkgoRecover()
			defer func() { <-turns }()
			work(i)
		})
	}
	all.Wait()
}

// shop is what a team applies for one signed route: one component of
// the key's material is supplied, the other is generated.
func shop(namespace string) []client.Object {
	binding := gen.SignatureBinding("orders", "orders", gen.InNamespace(namespace), gen.WithHTTPRoutes("orders"))
	return []client.Object{
		gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own")),
		gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(namespace)),
		binding,
		gen.HTTPRoute("orders", gen.InNamespace(namespace), gen.WithParents("web")),
		gen.Gateway("web", gen.InNamespace(namespace)),
	}
}

var _ = Describe("Key, source, binding, route and Gateway", func() {
	// Invariant 4. All namespaces take their first step before any takes its
	// second, so that the controllers have acted upon each step.
	It("reach the same state whatever the order they are applied in", func(ctx SpecContext) {
		manager := cluster.StartManager(env.ManagerOptions{Bindings: true})
		orders := permutations(5)
		Expect(orders).To(HaveLen(120))
		namespaces := make([]string, len(orders))
		for step := range 5 {
			inParallel(len(orders), func(i int) {
				if step == 0 {
					namespaces[i] = env.NewNamespace(ctx, admin)
				}
				env.Create(ctx, admin, shop(namespaces[i])[orders[i][step]])
				acceptRoutes(ctx, namespaces[i])
			})
			settled(manager, "spec-")
		}
		want := theShopAtWork(ctx, namespaces[0])
		inParallel(len(orders), func(i int) {
			Eventually(func(g Gomega) {
				g.Expect(cmp.Diff(want, stateOf(g, ctx, namespaces[i]))).To(BeEmpty())
			}).WithTimeout(proc.Long).Should(Succeed(), fmt.Sprintf("order %v", orders[i]))
		})
	})
})

// theShopAtWork is the state of a namespace whose shop has all that it needs.
func theShopAtWork(ctx context.Context, namespace string) namespaceState {
	GinkgoHelper()
	env.ExpectReady(ctx, admin, gen.SignatureBinding("orders", "", gen.InNamespace(namespace)), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	key := readyKey(ctx, gen.SignatureKey("orders", gen.InNamespace(namespace)))
	eventually(ctx, key, match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonBound))
	Eventually(func(g Gomega) {
		g.Expect(managedSecret(g, ctx, key).Data["secret"]).To(BeEquivalentTo(plantedSecret))
		g.Expect(managedSecret(g, ctx, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
	}).Should(Succeed())
	return stateOf(Default, ctx, namespace)
}
