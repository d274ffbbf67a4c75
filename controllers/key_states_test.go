// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// keyState is how a key comes to be in a state: it is made in the namespace,
// and brought there.
type keyState struct {
	make    func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey
	status  metav1.ConditionStatus
	reason  string
	message []string
	// signs is true if there is material to sign with.
	signs bool
}

var keyStates = map[string]keyState{
	"ready": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		},
		status: metav1.ConditionTrue, reason: signetv1alpha1.ReasonReady,
		message: []string{`The material is in Secret "orders".`}, signs: true,
	},
	"without its source": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own")))
		},
		status: metav1.ConditionUnknown, reason: signetv1alpha1.ReasonSourceNotFound, message: []string{`Secret "own" does not exist or lacks the label`},
	},
	"with a managed source": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("other", gen.InNamespace(namespace))))
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("other")))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonInvalidSource,
		message: []string{`Secret "other" is managed by Signet. Name another Secret`},
	},
	"with a source that breaks a rule": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret + "\n"}, gen.InNamespace(namespace)))
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own")))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonInvalidMaterial,
		message: []string{`Secret "own" is invalid: data[secret] ends with a newline`},
	},
	"with a source that has come to break a rule": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			source := env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(namespace)))
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own"))))
			env.Update(ctx, admin, source, func(s *corev1.Secret) { s.Data["secret"] = []byte("short") })
			return key
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonInvalidMaterial,
		message: []string{"data[secret]"}, signs: true,
	},
	"with a source that is gone": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			source := env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(namespace)))
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own"))))
			Expect(admin.Delete(ctx, source)).To(Succeed())
			return key
		},
		status: metav1.ConditionUnknown, reason: signetv1alpha1.ReasonSourceNotFound, signs: true,
	},
	"with two identifiers": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"key": plantedKey}, gen.InNamespace(namespace)))
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own"), gen.WithIdentifier("another_key")))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonInvalidMaterial,
		message: []string{"data[key]: differs from spec.identifier"},
	},
	"with an unlabeled Secret in the way": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			unmanagedSecret(ctx, namespace, nil)
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretOwnedByOther,
		message: []string{`Secret "orders" exists but is not managed by this key (type Opaque, controlled by ConfigMap "web", managed by "Helm"). Delete it, or`},
	},
	"with a source Secret in the way": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			unmanagedSecret(ctx, namespace, map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource})
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretOwnedByOther, message: []string{`Secret "orders" exists but is not managed by this key`},
	},
	"with another key's Secret in the way": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("other", gen.InNamespace(namespace), gen.WithTarget("shared"))))
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithTarget("shared")))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretOwnedByOther,
		message: []string{`Secret "shared" exists but is not managed by this key (type signet.dev/signature-key, created for SignatureKey "other", controlled by SignatureKey "other", managed by "signet")`},
	},
	"whose Secret another owner controls": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
			owner := env.Create(ctx, admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}})
			env.Update(ctx, admin, managedSecret(Default, ctx, key), func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
			})
			return key
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretOwnedByOther, message: []string{`controlled by ConfigMap "web"`},
	},
	"with material of another type left behind": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			old := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain))))
			Expect(admin.Delete(ctx, old)).To(Succeed())
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypeBasic)))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretOwnedByOther,
		message: []string{`Secret "orders" contains material of another type (HMAC). Delete it`},
	},
	"whose source has the secret key of an AES key": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			env.Create(ctx, admin, gen.SourceSecret("cipher", map[string]string{"key": "0123456789abcdef"}, gen.InNamespace(namespace)))
			readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("sealed", gen.InNamespace(namespace), gen.WithAES(signetv1alpha1.AlgorithmAES128CFB), gen.WithSource("cipher"))))
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("cipher")))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonInvalidSource,
		message: []string{`Secret "cipher" supplies SignatureKey "sealed" of type AES, whose key is secret`},
	},
	"of a type behind the gate": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			return env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey)))
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonTypeNotEnabled, message: []string{"--public-key-enable"},
	},
	"bound, with its Secret gone": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
			loseSecret(ctx, key)
			return key
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretLost,
		message: []string{`Secret "orders" is missing but bindings use the key. Restore it from a backup, or set spec.rotation.trigger to another value`},
	},
	"with broken bytes": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
			env.Update(ctx, admin, managedSecret(Default, ctx, key), func(s *corev1.Secret) { s.Data["secret"] = []byte("x") })
			return key
		},
		status: metav1.ConditionFalse, reason: signetv1alpha1.ReasonSecretLost,
		message: []string{`Secret "orders" contains no usable material. Restore it`},
	},
	"bound, with its protected Secret being deleted": {
		make: func(ctx context.Context, namespace string) *signetv1alpha1.SignatureKey {
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
			bound(ctx, key)
			Eventually(func(g Gomega) {
				g.Expect(managedSecret(g, ctx, key).Finalizers).To(ConsistOf(signetv1alpha1.FinalizerProtection))
			}).Should(Succeed())
			Expect(admin.Delete(ctx, managedSecret(Default, ctx, key))).To(Succeed())
			return key
		},
		status: metav1.ConditionTrue, reason: signetv1alpha1.ReasonSecretTerminating,
		message: []string{`Secret "orders" is being deleted but is protected. It keeps working and is removed with the key.`}, signs: true,
	},
}

// unmanagedSecret creates a Secret of another owner under the key's name.
func unmanagedSecret(ctx context.Context, namespace string, labels map[string]string) *corev1.Secret {
	GinkgoHelper()
	owner := env.Create(ctx, admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}})
	secret := gen.SourceSecret("orders", map[string]string{"key": plantedKey, "secret": plantedSecret}, gen.InNamespace(namespace))
	secret.Labels = map[string]string{signetv1alpha1.LabelManagedBy: "Helm"}
	for name, value := range labels {
		secret.Labels[name] = value
	}
	secret.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	return env.Create(ctx, admin, secret)
}

// loseSecret binds the key and does away with its Secret by force.
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
		It(name+" reports it, and costs nothing while nothing changes", func(ctx SpecContext) {
			namespace := env.NewNamespace(ctx, admin)
			manager := cluster.StartManager(env.ManagerOptions{})
			key := eventually(ctx, state.make(ctx, namespace), match.Ready(state.status, state.reason, state.message...))
			Expect(key.Status.KeyID).To(WithTransform(isSet, Equal(state.signs)))
			Expect(key.Status.Versions != nil).To(Equal(state.signs))

			By("reporting it in an Event")
			Eventually(func(g Gomega) {
				g.Expect(env.Events(g, ctx, admin, key)).To(ContainElement(ContainSubstring(state.reason + ": ")))
			}).Should(Succeed())

			By("reconciling it a hundred times")
			Consistently(func() []string { return manager.Requests.Of(namespace) }, 10*proc.Poll, proc.Poll).
				Should(HaveLen(len(manager.Requests.Of(namespace))))
			Expect(reconcileMany(ctx, manager, key)).To(BeEmpty())
			Expect(env.Reload(Default, ctx, admin, key).ResourceVersion).To(Equal(key.ResourceVersion))
		})
	}

	It("turns red when it has waited for five minutes", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		late := clocktesting.NewFakePassiveClock(time.Now())
		cluster.StartManager(env.ManagerOptions{Clock: late})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own")))
		eventually(ctx, key, match.Ready(metav1.ConditionUnknown, signetv1alpha1.ReasonSourceNotFound))
		late.SetTime(late.Now().Add(5 * time.Minute))
		touch(ctx, key)
		eventually(ctx, key, match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSourceNotFound, `Secret "own" does not exist`))
	})

	It("leaves a Secret of another owner alone, and checks again after a minute", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		other := unmanagedSecret(ctx, namespace, nil)
		late := clocktesting.NewFakePassiveClock(time.Now())
		manager := cluster.StartManager(env.ManagerOptions{Clock: late})
		key := eventually(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))), match.Ready(metav1.ConditionFalse, signetv1alpha1.ReasonSecretOwnedByOther))
		Expect(env.Reload(Default, ctx, admin, other)).To(Equal(other))

		Expect(admin.Delete(ctx, other)).To(Succeed())
		Expect(reconcileMany(ctx, manager, key)).To(BeEmpty(), "no watch reports it, and a minute has not passed")
		late.SetTime(late.Now().Add(time.Minute))
		touch(ctx, key)
		readyKey(ctx, key)
	})

	It("stays ready behind the gate if it has material", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		open := cluster.StartManager(env.ManagerOptions{PublicKeyEnabled: true})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypePublicKey))))
		open.Stop()
		cluster.StartManager(env.ManagerOptions{})
		after := eventually(ctx, key, match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonTypeNotEnabled, "keeps signing", "--public-key-enable"))
		Expect(after.Status.KeyID).To(Equal(key.Status.KeyID))
	})

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
