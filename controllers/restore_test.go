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
)

// backup is what config/README.md has a tool save of a namespace: metadata, specs
// and data, but no status and no owner references.
func backup(ctx context.Context, namespace string) []client.Object {
	GinkgoHelper()
	key := env.Reload(Default, ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
	binding := env.Reload(Default, ctx, admin, gen.SignatureBinding("orders", "", gen.InNamespace(namespace)))
	key.Status, binding.Status = signetv1alpha1.SignatureKeyStatus{}, signetv1alpha1.SignatureBindingStatus{}
	secret := managedSecret(Default, ctx, key)
	secret.SetOwnerReferences(nil) // the restored key has another UID
	saved := []client.Object{secret, key, binding}
	for _, object := range saved {
		object.SetUID("")
		object.SetResourceVersion("")
		object.SetCreationTimestamp(metav1.Time{})
		object.SetManagedFields(nil)
	}
	return saved
}

// destroy deletes objects without regard to finalizers.
func destroy(ctx context.Context, objects []client.Object) {
	GinkgoHelper()
	for _, object := range objects {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, object.DeepCopyObject().(client.Object)))).To(Succeed())
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		Expect(client.IgnoreNotFound(admin.Patch(ctx, object.DeepCopyObject().(client.Object), patch))).To(Succeed())
	}
	for _, object := range objects {
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, object) }).Should(Succeed())
	}
}

var _ = Describe("A namespace restored from specs, labels and Secrets", Ordered, func() {
	BeforeAll(func(ctx SpecContext) { waitForGarbageCollector(ctx) })

	restore := func(ctx context.Context, saved []client.Object, order []int) {
		GinkgoHelper()
		for _, next := range order {
			env.Create(ctx, admin, saved[next].DeepCopyObject().(client.Object))
		}
	}
	expectSame := func(ctx context.Context, namespace string, saved []client.Object, order []int) {
		GinkgoHelper()
		what := fmt.Sprintf("order %v", order)
		before, ok := saved[0].(*corev1.Secret)
		Expect(ok).To(BeTrue())
		env.ExpectReady(ctx, admin, gen.SignatureBinding("orders", "", gen.InNamespace(namespace)), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		Expect(holders(Default, ctx, namespace, "orders")).To(ConsistOf("orders"), what)
		Expect(managedSecret(Default, ctx, gen.SignatureKey("orders", gen.InNamespace(namespace))).Data).To(Equal(before.Data), what)
		status := env.Reload(Default, ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))).Status
		Expect(status.KeyID).To(BeEquivalentTo(before.Data["key-id"]), what)
		Expect(status.Versions).To(HaveLen(1), what)
	}

	It("has its bytes and its holder, whatever came back first while the manager was stopped", func(ctx SpecContext) {
		orders := permutations(3)
		namespaces, saved := make([]string, len(orders)), make([][]client.Object, len(orders))
		manager := startBoth()
		inParallel(len(orders), func(i int) {
			namespaces[i] = boundNamespace(ctx)
			saved[i] = backup(ctx, namespaces[i])
		})
		manager.Stop()
		inParallel(len(orders), func(i int) {
			destroy(ctx, saved[i])
			restore(ctx, saved[i], orders[i])
		})
		startBoth()
		inParallel(len(orders), func(i int) { expectSame(ctx, namespaces[i], saved[i], orders[i]) })
	})

	It("has its bytes and its holder when the Secret came first under a running manager", func(ctx SpecContext) {
		startBoth()
		orders := [][]int{{0, 1, 2}, {0, 2, 1}}
		inParallel(len(orders), func(i int) {
			namespace := boundNamespace(ctx)
			saved := backup(ctx, namespace)
			destroy(ctx, []client.Object{saved[2], saved[1], saved[0]})
			restore(ctx, saved, orders[i])
			expectSame(ctx, namespace, saved, orders[i])
		})
	})
})
