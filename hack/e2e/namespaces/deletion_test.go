// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// runs is how often each order is tried: the namespace controller deletes the objects
// of a namespace in any order.
const runs = 20

// orders are the deletions of a namespace and what is in it.
var orders = map[string]func(ctx context.Context, namespace string){
	"all-at-once": deleteNamespace,
	"role-first": func(ctx context.Context, namespace string) {
		Expect(admin.Delete(ctx, roleBinding(namespace))).To(Succeed())
		deleteNamespace(ctx, namespace)
	},
	"role-alone-first": func(ctx context.Context, namespace string) {
		Expect(admin.Delete(ctx, roleBinding(namespace))).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, roleBinding(namespace)) }).WithTimeout(proc.Long).Should(Succeed())
		deleteNamespace(ctx, namespace)
	},
	"secrets-first": func(ctx context.Context, namespace string) {
		Expect(admin.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(namespace))).To(Succeed())
		deleteNamespace(ctx, namespace)
	},
	"keys-first": func(ctx context.Context, namespace string) {
		Expect(admin.DeleteAllOf(ctx, &signetv1alpha1.SignatureKey{}, client.InNamespace(namespace))).To(Succeed())
		Expect(admin.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(namespace))).To(Succeed())
		Expect(admin.Delete(ctx, roleBinding(namespace))).To(Succeed())
		deleteNamespace(ctx, namespace)
	},
}

func deleteNamespace(ctx context.Context, name string) {
	Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
}

// inParallel calls the function for all numbers below the count, some at a time.
func inParallel(count int, call func(int)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, 10)
	for i := range count {
		running.Go(func() {
			defer GinkgoRecover()
			slots <- struct{}{}
			defer func() { <-slots }()
			call(i)
		})
	}
	running.Wait()
}

// fillNamespace creates a namespace with two bound keys.
func fillNamespace(ctx context.Context, namespace string) {
	create(ctx, namespace)
	grant(ctx, namespace)
}

var _ = Describe("A namespace with bound keys", Ordered, func() {
	var names []string
	BeforeAll(func(ctx SpecContext) {
		for order := range orders {
			for i := range runs {
				names = append(names, fmt.Sprintf("%s-%02d", order, i))
			}
		}
		inParallel(len(names), func(i int) { fillNamespace(ctx, names[i]) })
		startManager(ctx, names, "--public-key-enable")
		apply(ctx, names[0], "orders")
		inParallel(len(names), func(i int) {
			in := gen.InNamespace(names[i])
			if i > 0 {
				apply(ctx, names[i], "orders")
			}
			env.Create(ctx, admin, gen.SignatureKey("pair", in, gen.WithType(signetv1alpha1.KeyTypePublicKey)))
			env.Create(ctx, admin, gen.SignatureBinding("pair", "pair", in, gen.WithAPIs("pair")))
		})
		inParallel(len(names), func(i int) {
			for _, name := range []string{"orders", "pair"} {
				binding := gen.SignatureBinding(name, name, gen.InNamespace(names[i]))
				Eventually(func(g Gomega) {
					g.Expect(env.Reload(g, ctx, admin, binding).Status.BoundAPIs).To(BeEquivalentTo(1))
				}).WithTimeout(proc.Long).Should(Succeed(), names[i])
			}
		})
	})

	for order, remove := range orders {
		It("goes when it is deleted: "+order, func(ctx SpecContext) {
			inParallel(runs, func(i int) {
				name := fmt.Sprintf("%s-%02d", order, i)
				remove(ctx, name)
				Eventually(func(g Gomega) {
					env.ExpectGone(g, ctx, admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
				}).WithTimeout(proc.Long).Should(Succeed(), name)
			})
		})
	}
})
