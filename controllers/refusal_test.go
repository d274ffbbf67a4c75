// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

var _ = Describe("A write that the API server refuses", func() {
	It("is reported by the key, and by the binding that waits for it, until the quota is raised", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		quota := noSecrets(ctx, namespace)
		clock := clocktesting.NewFakePassiveClock(time.Now())
		cluster.StartManager(env.ManagerOptions{Bindings: true, Routes: &scriptedRoutes{}, Clock: clock})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		binding := unbound(ctx, key, "shop")
		env.ExpectReady(ctx, admin, binding, metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotReady)
		Eventually(func(g Gomega) {
			fresh := env.Reload(g, ctx, admin, key)
			g.Expect(fresh.Status.Conditions).NotTo(BeEmpty(), "the first write has not been tried")
			g.Expect(fresh.Status.ObservedGeneration).To(BeEquivalentTo(-1))
		}).Should(Succeed())

		clock.SetTime(clock.Now().Add(status.RefusalDelay))
		Expect(env.ExpectReady(ctx, admin, key, metav1.ConditionUnknown, signetv1alpha1.ReasonWriteRefused)).To(And(
			HavePrefix(`Secret "orders" cannot be written: the API server refuses it (secrets "orders" is forbidden: exceeded quota: none, `),
			HaveSuffix("It is repeated within two minutes.")))
		Expect(env.Reload(Default, ctx, admin, key).Status.ObservedGeneration).To(Equal(key.Generation))
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, binding)).To(match.Ready(metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotReady, "(WriteRefused)"))
		}).Should(Succeed())

		clock.SetTime(clock.Now().Add(5 * time.Minute))
		env.ExpectReady(ctx, admin, key, metav1.ConditionFalse, signetv1alpha1.ReasonWriteRefused)
		Eventually(func(g Gomega) {
			g.Expect(env.Events(g, ctx, admin, key)).To(ConsistOf(HavePrefix("Normal WriteRefused: "), HavePrefix("Warning WriteRefused: ")))
		}).Should(Succeed())

		Expect(admin.Delete(ctx, quota)).To(Succeed())
		env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	})

	It("does not depend on Signet's own webhooks: a key is protected while they are down", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		first := cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		binding := unbound(ctx, key, "shop")
		first.Stop()
		withoutWebhooks(ctx, namespace)
		startBoth()
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		Expect(env.Reload(Default, ctx, admin, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
	})
})

// noSecrets creates a quota that allows no Secret, with the status that its controller
// would write, and waits until it is enforced.
func noSecrets(ctx context.Context, namespace string) *corev1.ResourceQuota {
	GinkgoHelper()
	none := corev1.ResourceList{corev1.ResourceSecrets: resource.MustParse("0")}
	quota := env.Create(ctx, admin, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: none},
	})
	env.UpdateStatus(ctx, admin, quota, func(q *corev1.ResourceQuota) { q.Status.Hard, q.Status.Used = none, none })
	Eventually(func(g Gomega) {
		probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe"}}
		g.Expect(admin.Create(ctx, probe, client.DryRunAll)).To(MatchError(ContainSubstring("exceeded quota")))
	}).Should(Succeed())
	return quota
}

// withoutWebhooks installs the webhooks as shipped, at an address that does not
// answer, until the spec ends.
func withoutWebhooks(ctx context.Context, namespace string) {
	GinkgoHelper()
	Expect(cluster.InstallConfig(ctx, "webhook", "127.0.0.1:1")).To(Succeed())
	probe := func(ctx context.Context) error {
		return admin.Create(ctx, gen.SignatureKey("probe", gen.InNamespace(namespace)), client.DryRunAll)
	}
	DeferCleanup(func(ctx context.Context) {
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "signet"}}
		Expect(admin.Delete(ctx, configuration)).To(Succeed())
		Eventually(probe).WithContext(ctx).Should(Succeed())
	})
	Eventually(probe).WithContext(ctx).Should(MatchError(ContainSubstring("failed calling webhook")))
}
