// SPDX-License-Identifier: Apache-2.0

package split

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// apply creates a key and a binding for one API.
func (i *installation) apply(ctx context.Context, name string) (*signetv1alpha1.SignatureKey, *signetv1alpha1.SignatureBinding) {
	GinkgoHelper()
	in := gen.InNamespace(i.served)
	var key *signetv1alpha1.SignatureKey
	Eventually(func() error { // until the API server trusts the webhooks
		key = gen.SignatureKey(name, in)
		return admin.Create(ctx, key)
	}).Should(Succeed())
	return key, env.Create(ctx, admin, gen.SignatureBinding(name, name, in, gen.WithAPIs(name)))
}

// expectBound waits until key and binding are Ready.
func expectBound(ctx context.Context, key *signetv1alpha1.SignatureKey, binding *signetv1alpha1.SignatureBinding) {
	GinkgoHelper()
	env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
	env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
}

// holder returns the identity that leads an installation.
func (i *installation) holder(ctx context.Context) string {
	lease := &coordinationv1.Lease{}
	if err := admin.Get(ctx, client.ObjectKey{Namespace: i.system, Name: "signet-controller-manager"}, lease); err != nil {
		return ""
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// versions returns the resourceVersion of each of Signet's objects in a namespace.
func versions(ctx context.Context, namespace string) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	for _, list := range []client.ObjectList{&signetv1alpha1.SignatureKeyList{}, &signetv1alpha1.SignatureBindingList{}, &corev1.SecretList{}} {
		Expect(admin.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object, err := meta.Accessor(item)
			Expect(err).NotTo(HaveOccurred())
			found[string(object.GetUID())] = object.GetResourceVersion()
			return nil
		})).To(Succeed())
	}
	return found
}

func bundle(ctx context.Context, configuration string) []byte {
	GinkgoHelper()
	found := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	Expect(admin.Get(ctx, client.ObjectKey{Name: configuration}, found)).To(Succeed())
	return found.Webhooks[0].ClientConfig.CABundle
}

var _ = Describe("Two managers, each for a namespace of its own", Ordered, func() {
	var eastern, western *env.ManagerProcess
	BeforeAll(func(ctx SpecContext) { eastern, western = east.start(ctx), west.start(ctx) })

	It("lead at the same time and serve their own namespace", func(ctx SpecContext) {
		for _, each := range []*installation{east, west} {
			key, binding := each.apply(ctx, "orders")
			expectBound(ctx, key, binding)
		}
		Expect(east.holder(ctx)).NotTo(BeEmpty())
		Expect(west.holder(ctx)).NotTo(BeEmpty())
		Expect(east.holder(ctx)).NotTo(Equal(west.holder(ctx)))
		Expect(bundle(ctx, "signet")).NotTo(BeEmpty())
		Expect(bundle(ctx, "signet-west")).NotTo(BeEmpty())
		Expect(bundle(ctx, "signet")).NotTo(Equal(bundle(ctx, "signet-west")), "each has its own CA")
	})

	It("protect bound keys, and release them after the last binding", func(ctx SpecContext) {
		for _, each := range []*installation{east, west} {
			key, binding := each.apply(ctx, "protected")
			expectBound(ctx, key, binding)
			Expect(admin.Delete(ctx, key)).To(Succeed())
			Eventually(func(g Gomega) {
				inUse := meta.FindStatusCondition(env.Reload(g, ctx, admin, key).Status.Conditions, signetv1alpha1.ConditionInUse)
				g.Expect(inUse).To(HaveField("Reason", signetv1alpha1.ReasonDeletionBlocked))
			}).Should(Succeed())
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: each.served, Name: "protected"}}
			Expect(env.Reload(Default, ctx, admin, secret).Finalizers).To(ContainElement(signetv1alpha1.FinalizerProtection))
			Expect(admin.Delete(ctx, binding)).To(Succeed())
			Eventually(func(g Gomega) {
				env.ExpectGone(g, ctx, admin, key)
				env.ExpectGone(g, ctx, admin, secret)
			}).Should(Succeed())
		}
	})

	It("leave the objects of the other alone when it is down", func(ctx SpecContext) {
		Expect(western.Stop()).To(Succeed())
		binding := gen.SignatureBinding("orders", "orders", gen.InNamespace(west.served))
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		before := versions(ctx, west.served)
		Expect(before).NotTo(BeEmpty())

		By("refusing what the manager that is down would have to admit")
		err := admin.Create(ctx, gen.SignatureKey("later", gen.InNamespace(west.served)))
		Expect(apierrors.IsInternalError(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring("failed calling webhook")))

		By("serving the other namespace, also by a new leader")
		Expect(eastern.Stop()).To(Succeed())
		eastern = east.start(ctx)
		key, bound := east.apply(ctx, "payments")
		expectBound(ctx, key, bound)
		Expect(versions(ctx, west.served)).To(Equal(before))

		By("releasing the key when its own manager is back")
		western = west.start(ctx)
		key = gen.SignatureKey("orders", gen.InNamespace(west.served))
		Eventually(func(g Gomega) { g.Expect(env.Reload(g, ctx, admin, key).Finalizers).To(BeEmpty()) }).Should(Succeed())
	})

	It("cannot write in the namespace of the other", func(ctx SpecContext) {
		for _, each := range []*installation{east, west} {
			other := map[*installation]*installation{east: west, west: east}[each]
			for _, request := range [][]string{
				{"patch", "secrets"}, {"patch", "signaturekeys.signet.dev"}, {"update", "signaturebindings.signet.dev", "--subresource=status"},
			} {
				allowed := func(namespace string) string {
					args := append([]string{"auth", "can-i", "-n", namespace, "--as=system:serviceaccount:" + each.system + ":" + env.ManagerAccount}, request...)
					out, _ := cluster.Run(ctx, args...) // it fails where the answer is no
					return out
				}
				Expect(allowed(each.served)).To(HavePrefix("yes"), "%v", request)
				Expect(allowed(other.served)).To(HavePrefix("no"), "%v", request)
			}
		}
	})
})
