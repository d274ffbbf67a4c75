// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
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
)

var _ = Describe("The public ConfigMap of a PublicKey key", func() {
	It("is written before the Secret and contains only public components", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		manager := cluster.StartManager(env.ManagerOptions{PublicKeyEnabled: true})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey))))
		secret := managedSecret(Default, ctx, key)
		public := env.Reload(Default, ctx, admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-public"}})
		Expect(public.Data).To(Equal(map[string]string{
			"type": "PublicKey", "key-id": key.Status.KeyID, "key": string(secret.Data["key"]),
		}))
		Expect(public.Labels).To(Equal(secret.Labels))
		Expect(metav1.IsControlledBy(public, key)).To(BeTrue())
		expectWrites(manager, namespace, 0, "create configmaps", "create secrets", "patch signaturekeys/orders/status")
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
