// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

// keyState is a state of a key, and how a key in a namespace gets into it.
type keyState struct {
	create  func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey
	status  metav1.ConditionStatus
	reason  string
	message []string
	// signs is true if there is material to sign with.
	signs bool
}

var keyStates = map[string]keyState{
	"ready": {
		create: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		},
		status: metav1.ConditionTrue, reason: signetv1alpha1.ReasonReady,
		message: []string{`The material is in Secret "orders".`}, signs: true,
	},
	"blocked by an unlabeled Secret": {
		create: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			unmanagedSecret(ctx, namespace)
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretOwnedByOther,
		message: []string{`Secret "orders" exists but is not managed by this key (type Opaque, controlled by ConfigMap "web", managed by "Helm"). Delete it, or`},
	},
	"bound without its Secret": {
		create: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
			loseSecret(ctx, key)
			return key
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretLost,
		message: []string{`Secret "orders" is missing but bindings use the key. Restore it from a backup, or set spec.rotation.trigger to another value`},
	},
}

// unmanagedSecret creates a Secret of another owner under the key's name.
func unmanagedSecret(ctx context.Context, namespace string) {
	GinkgoHelper()
	owner := env.Create(ctx, admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}})
	secret := gen.SourceSecret("orders", map[string]string{"key": plantedKey, "secret": plantedSecret}, gen.InNamespace(namespace))
	secret.Labels = map[string]string{signetv1alpha1.LabelManagedBy: "Helm"}
	secret.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	env.Create(ctx, admin, secret)
}

// loseSecret binds the key and removes its Secret by force.
func loseSecret(ctx context.Context, key *signetv1alpha1.SignatureKey) *corev1.Secret {
	GinkgoHelper()
	bound(ctx, key)
	eventually(ctx, key, match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonBound))
	Eventually(func(g Gomega) {
		g.Expect(env.Reload(g, ctx, admin, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
		g.Expect(managedSecret(g, ctx, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
	}).Should(Succeed())
	secret := managedSecret(Default, ctx, key)
	Expect(admin.Delete(ctx, secret)).To(Succeed())
	env.Update(ctx, admin, secret, func(s *corev1.Secret) { s.Finalizers = nil })
	return secret
}

// touch has the key reconciled, as the clock would.
func touch(ctx context.Context, key *signetv1alpha1.SignatureKey) {
	GinkgoHelper()
	env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { k.Annotations = map[string]string{"example.com/touched": "yes"} })
}

var _ = Describe("A SignatureKey", func() {
	for name, state := range keyStates {
		It("reports its state and costs no request while it is "+name, func(ctx SpecContext) {
			namespace := env.NewNamespace(ctx, admin)
			manager := cluster.StartManager(env.ManagerOptions{})
			key := eventually(ctx, state.create(ctx, namespace), match.Ready(state.status, state.reason, state.message...))
			signs := key.Status.KeyID != ""
			Expect(signs).To(Equal(state.signs))

			By("reporting it in an Event")
			reported := state.reason
			if state.reason == signetv1alpha1.ReasonReady {
				reported = "Generated" // says it all
			}
			Eventually(func(g Gomega) {
				g.Expect(env.Events(g, ctx, admin, key)).To(ContainElement(ContainSubstring(reported + ": ")))
			}).Should(Succeed())

			By("reconciling it a hundred times")
			settled(manager, namespace)
			key = env.Reload(Default, ctx, admin, key)
			Expect(reconcileMany(ctx, manager, key)).To(BeEmpty())
			Expect(env.Reload(Default, ctx, admin, key).ResourceVersion).To(Equal(key.ResourceVersion))
		})
	}

	It("never shows material outside its Secret", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		cluster.StartManager(env.ManagerOptions{})
		source := env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(namespace)))
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own"))))
		env.Update(ctx, admin, source, func(s *corev1.Secret) { s.Data["secret"] = []byte(plantedSecret2 + "\n") })
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonInvalidMaterial))
		env.Update(ctx, admin, managedSecret(Default, ctx, key), func(s *corev1.Secret) { s.Data["secret"] = []byte("planted secret with blanks") })
		key = eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost))
		Eventually(func(g Gomega) {
			g.Expect(env.Events(g, ctx, admin, key)).To(ContainElement(ContainSubstring("SecretLost")))
		}).Should(Succeed())

		planted := []string{plantedSecret, plantedSecret2, "planted secret with blanks"}
		text, err := json.Marshal(key)
		Expect(err).NotTo(HaveOccurred())
		expectNoMaterial(string(text), planted...)
		expectNoMaterial(logs.String(), planted...)
		for _, reported := range env.Events(Default, ctx, admin, key) {
			expectNoMaterial(reported, planted...)
		}
	})
})
