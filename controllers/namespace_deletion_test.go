// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"

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

// boundNamespace is a new namespace with a key and a binding that holds an API
// with it.
func boundNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := env.NewNamespace(ctx, admin)
	env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
	binding := env.Create(ctx, admin, gen.SignatureBinding("orders", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders")))
	env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	return namespace
}

// deletions are the objects that a cleanup deletes, in some order.
func deletions(namespace string) []client.Object {
	return []client.Object{
		gen.SignatureKey("orders", gen.InNamespace(namespace)),
		gen.SignatureBinding("orders", "orders", gen.InNamespace(namespace)),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
	}
}

var _ = Describe("A namespace with a bound key", func() {
	DescribeTable("is removed, whatever the order of deletions",
		func(ctx SpecContext, running bool) {
			manager := startBoth()
			orders := permutations(4)
			namespaces := make([]string, len(orders))
			inParallel(len(orders), func(i int) { namespaces[i] = boundNamespace(ctx) })
			if !running {
				manager.Stop()
			}
			inParallel(len(orders), func(i int) {
				for _, next := range orders[i] {
					Expect(client.IgnoreNotFound(admin.Delete(ctx, deletions(namespaces[i])[next]))).To(Succeed())
				}
			})
			if !running {
				startBoth()
			}
			for i, namespace := range namespaces {
				Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, deletions(namespace)[3]) }).
					WithTimeout(proc.Long).Should(Succeed(), fmt.Sprintf("order %v", orders[i]))
			}
		},
		Entry("while the manager runs", true),
		Entry("before the manager starts again", false),
	)
})
