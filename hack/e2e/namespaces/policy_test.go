// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/env"
)

// The manager has every permission that its RoleBinding grants, so RBAC alone would let
// it grant them to others.
var _ = It("lets the manager write nothing but the metadata of its RoleBinding", func(ctx SpecContext) {
	create(ctx, "guarded")
	grant(ctx, "guarded")
	config, err := cluster.ServiceAccountConfig(ctx, env.SystemNamespace, env.ManagerAccount)
	Expect(err).NotTo(HaveOccurred())
	manager, err := client.New(config, client.Options{Scheme: cluster.Scheme})
	Expect(err).NotTo(HaveOccurred())

	before := env.Reload(Default, ctx, admin, roleBinding("guarded"))
	extended := before.DeepCopy()
	extended.Subjects = append(extended.Subjects, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "mallory"})
	Eventually(func() error { return manager.Patch(ctx, extended.DeepCopy(), client.MergeFrom(before)) }).
		Should(MatchError(ContainSubstring("the manager of Signet changes only the metadata of RoleBindings")))
	Expect(env.Reload(Default, ctx, admin, before).Subjects).To(Equal(before.Subjects))

	joined := before.DeepCopy()
	joined.Finalizers = append(joined.Finalizers, "signet.dev/serves-namespace")
	Expect(manager.Patch(ctx, joined, client.MergeFrom(before))).To(Succeed())
	left := joined.DeepCopy()
	left.Finalizers = nil
	Expect(manager.Patch(ctx, left, client.MergeFrom(joined))).To(Succeed())
	Expect(admin.Delete(ctx, roleBinding("guarded"))).To(Succeed())
})
