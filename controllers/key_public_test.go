// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

var _ = Describe("The public ConfigMap of a PublicKey key", func() {
	var (
		namespace string
		manager   *env.Manager
	)
	BeforeEach(func(ctx SpecContext) {
		namespace = env.NewNamespace(ctx, admin)
		manager = cluster.StartManager(env.ManagerOptions{PublicKeyEnabled: true})
	})
	publicOf := func(g Gomega, ctx context.Context) *corev1.ConfigMap {
		return env.Reload(g, ctx, admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-public"}})
	}

	It("is written before the Secret and contains only public components", func(ctx SpecContext) {
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey))))
		secret, public := managedSecret(Default, ctx, key), publicOf(Default, ctx)
		Expect(public.Data).To(Equal(map[string]string{
			"type": "PublicKey", "key-id": key.Status.KeyID, "key": string(secret.Data["key"]),
		}))
		Expect(public.Labels).To(Equal(secret.Labels))
		Expect(metav1.IsControlledBy(public, key)).To(BeTrue())
		Expect(manager.Requests.Writes(namespace)).To(match.Writes("create configmaps", "create secrets", "patch signaturekeys/orders/status"))
		Expect(reconcileMany(ctx, manager, key)).To(BeEmpty())
	})

	It("is healed when it is changed or deleted", func(ctx SpecContext) {
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey))))
		sound := publicOf(Default, ctx)
		env.Update(ctx, admin, sound, func(c *corev1.ConfigMap) { c.Data["key"] = "another" })
		Eventually(func(g Gomega) { g.Expect(publicOf(g, ctx).Data).To(Equal(sound.Data)) }).Should(Succeed())
		Expect(admin.Delete(ctx, sound)).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(publicOf(g, ctx).Data).To(Equal(sound.Data)) }).Should(Succeed())
		Expect(env.Reload(Default, ctx, admin, key).Status).To(Equal(key.Status))
	})

	It("is not taken from another owner", func(ctx SpecContext) {
		other := env.Create(ctx, admin, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-public"}, Data: map[string]string{"a": "b"},
		})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey)))
		key = eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretOwnedByOther,
			`ConfigMap "orders-public" exists but is not managed by this key (its owner is unknown). Delete it, or`))
		Expect(env.Reload(Default, ctx, admin, other)).To(Equal(other))
		Expect(key.Status.KeyID).To(BeEmpty())
		Expect(manager.Requests.Writes(namespace)).To(HaveLen(1), "no Secret whose public component is not published")
		Expect(reconcileMany(ctx, manager, key)).To(BeEmpty())
	})
})

// pair is a key pair as a source supplies it.
func pair() map[string]string {
	GinkgoHelper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	Expect(err).NotTo(HaveOccurred())
	key, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	Expect(err).NotTo(HaveOccurred())
	return map[string]string{
		"key":    base64.StdEncoding.EncodeToString(key),
		"secret": base64.StdEncoding.EncodeToString(secret),
	}
}
