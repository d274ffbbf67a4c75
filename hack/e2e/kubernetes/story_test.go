// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

var _ = Describe("The life of a key on this Kubernetes", Ordered, func() {
	var (
		server    *version.Version
		namespace string
		key       *signetv1alpha1.SignatureKey
		binding   *signetv1alpha1.SignatureBinding
	)
	BeforeAll(func(ctx SpecContext) {
		var err error
		server, err = cluster.Version()
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("Kubernetes v" + server.String())
		namespace = env.NewNamespace(ctx, admin)
		key = gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithShortRotation())
	})

	It("is the life on the version that was asked for", func() {
		if minor := os.Getenv(controlplane.KubernetesVariable); minor != "" {
			Expect("v" + server.String()).To(Equal(controlplane.OlderVersions[minor]))
		}
	})

	It("begins with a ready key and its Secret", func(ctx SpecContext) {
		env.Create(ctx, admin, key)
		env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
		Expect(material(Default, ctx, key).Data).To(And(HaveKey("key"), HaveKey("secret")))
	})

	It("goes on with a binding that holds a route and an API", func(ctx SpecContext) {
		in := gen.InNamespace(namespace)
		env.Create(ctx, admin, gen.Gateway("web", in))
		env.UpdateStatus(ctx, admin, env.Create(ctx, admin, gen.HTTPRoute("orders", in, gen.WithParents("web"))), gen.Accepted)
		binding = env.Create(ctx, admin, gen.SignatureBinding("orders", key.Name, in, gen.WithHTTPRoutes("orders"), gen.WithAPIs("orders")))
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		rival := env.Create(ctx, admin, gen.SignatureBinding("rival", key.Name, in, gen.WithAPIs("orders"), gen.WithSignatureHeader("X-Signature")))
		env.ExpectReady(ctx, admin, rival, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		Expect(admin.Delete(ctx, rival)).To(Succeed())
	})

	It("finds bindings by field selectors where Kubernetes has them", func(ctx SpecContext) {
		list := func(environment string) (int, error) {
			var bindings signetv1alpha1.SignatureBindingList
			err := admin.List(ctx, &bindings, client.InNamespace(namespace), client.MatchingFields{"spec.environment": environment, "spec.keyRef.name": key.Name})
			return len(bindings.Items), err
		}
		if server.LessThan(env.SelectableFieldsNeed) {
			_, err := list(gen.Environment)
			Expect(err).To(MatchError(ContainSubstring("field label not supported")))
			return
		}
		Eventually(func() (int, error) { return list(gen.Environment) }).Should(Equal(1))
		Expect(list("OTHER")).To(BeZero())
	})

	It("changes the material in a rotation", func(ctx SpecContext) {
		first := material(Default, ctx, key)
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { k.Spec.Rotation.Trigger = "now" })
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key)).To(match.Rotating(metav1.ConditionFalse, signetv1alpha1.ReasonSettled))
			g.Expect(material(g, ctx, key).Data["key-id"]).NotTo(Equal(first.Data["key-id"]))
			g.Expect(material(g, ctx, key).Data["secret"]).NotTo(Equal(first.Data["secret"]))
		}).Should(Succeed())
	})

	It("does not end while a binding is there", func(ctx SpecContext) {
		Expect(admin.Delete(ctx, key)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key)).To(match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonDeletionBlocked))
		}).Should(Succeed())
		Expect(material(Default, ctx, key).DeletionTimestamp).To(BeNil())
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	})

	It("ends with the last binding, and so does the Secret", func(ctx SpecContext) {
		secret := material(Default, ctx, key)
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, binding) }).Should(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).Should(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, secret) }).WithTimeout(proc.Long).Should(Succeed())
	})
})

// material returns the managed Secret of a key.
func material(g Gomega, ctx context.Context, key *signetv1alpha1.SignatureKey) *corev1.Secret {
	return env.Reload(g, ctx, admin, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}})
}
