// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
)

func deleteAgain(ctx SpecContext, object client.Object) {
	Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed())
}

// grantEverywhere lets the manager work in all namespaces for the rest of the spec.
func grantEverywhere(ctx context.Context) {
	GinkgoHelper()
	objects, err := cluster.Render(ctx, filepath.Join(cluster.Root, "config", "rbac"))
	Expect(err).NotTo(HaveOccurred())
	for _, object := range slices.Clone(objects) {
		if object.GetKind() == "ClusterRoleBinding" && object.GetName() != "signet-webhook-configuration" {
			binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: object.GetName()}}
			DeferCleanup(deleteAgain, binding)
		}
	}
	Expect(cluster.Apply(ctx, objects, controlplane.InstallOptions{})).To(Succeed())
}

var _ = It("is released by a manager that works in all namespaces, and stays protected", Serial, func(ctx SpecContext) {
	create(ctx, "moved")
	grant(ctx, "moved")
	manager := launchManager(ctx, []string{"moved"})
	key, binding := apply(ctx, "moved", "orders")
	expectBound(ctx, binding)
	Expect(env.Reload(Default, ctx, admin, roleBinding("moved")).Finalizers).To(ContainElement(signetv1alpha1.FinalizerNamespace))
	Expect(manager.Stop()).To(Succeed())

	grantEverywhere(ctx)
	everywhere, err := cluster.StartManagerProcess(ctx, env.ProcessOptions{
		Binary: binary, Webhooks: webhooks, Output: GinkgoWriter, Flags: []string{"--leader-elect"},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = everywhere.Stop() })
	Eventually(func(g Gomega) {
		g.Expect(env.Reload(g, ctx, admin, roleBinding("moved")).Finalizers).To(BeEmpty())
	}).Should(Succeed())
	Expect(protected(Default, ctx, key)).To(Equal([]bool{true, true}))
	Expect(admin.Delete(ctx, roleBinding("moved"))).To(Succeed())
	_, later := apply(ctx, "moved", "payments")
	expectBound(ctx, later)
})
