// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

var _ = Describe("Material of a SignatureKey", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = env.NewNamespace(ctx, admin) })

	It("is generated with two writes", func(ctx SpecContext) {
		manager := cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithTrigger("first"))))

		secret := managedSecret(Default, ctx, key)
		Expect(secret.Type).To(BeEquivalentTo(signetv1alpha1.SecretType))
		Expect(secret.Labels).To(Equal(map[string]string{
			signetv1alpha1.LabelMaterial: "managed", signetv1alpha1.LabelKey: "orders", signetv1alpha1.LabelManagedBy: "signet",
		}))
		Expect(secret.Finalizers).To(BeEmpty())
		Expect(metav1.IsControlledBy(secret, key)).To(BeTrue())
		Expect(*secret.OwnerReferences[0].BlockOwnerDeletion).To(BeTrue())
		Expect(secret.Data).To(HaveKeyWithValue("type", []byte("HMAC")))
		Expect(secret.Data).To(HaveKeyWithValue("trigger", []byte("first")))
		Expect(secret.Data["key"]).To(HaveLen(32))
		Expect(secret.Data["secret"]).To(HaveLen(64))

		Expect(key.Status.SecretName).To(Equal("orders"))
		Expect(key.Status.DisplayName).To(Equal("orders"))
		Expect(key.Status.Identifier).To(BeEquivalentTo(secret.Data["key"]))
		Expect(key.Status.KeyID).To(BeEquivalentTo(secret.Data["key-id"]))
		Expect(key.Status.Versions).To(HaveLen(1))
		Expect(key.Status.Versions[0].State).To(Equal(signetv1alpha1.VersionActive))
		Expect(key.Status.LastRotationTime).To(Equal(key.Status.Versions[0].Activated))
		Expect(key.Status.ObservedTrigger).To(Equal("first"))
		Expect(key.Status.Bindings.Count).To(BeZero())
		Expect(key.Finalizers).To(BeEmpty())
		Expect(key).To(match.InUse(metav1.ConditionFalse, signetv1alpha1.ReasonNotBound, "No binding uses the key."))

		Expect(manager.Requests.Writes(namespace)).To(match.Writes("create secrets", "patch signaturekeys/orders/status"))
		Eventually(func(g Gomega) {
			g.Expect(env.Events(g, ctx, admin, key)).To(ConsistOf(
				"Normal Generated: Generated new material: Secret \"orders\" has version "+key.Status.KeyID+".",
				`Normal Ready: The material is in Secret "orders".`,
			))
		}).Should(Succeed())
	})

	DescribeTable("of every type",
		func(ctx SpecContext, option gen.KeyOption, identifier bool, data ...string) {
			cluster.StartManager(env.ManagerOptions{PublicKeyEnabled: true})
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), option)))
			secret := managedSecret(Default, ctx, key)
			for _, name := range data {
				Expect(secret.Data).To(HaveKey(name))
			}
			Expect(key.Status.Identifier).To(WithTransform(isSet, Equal(identifier)))
		},
		Entry("HMAC", gen.WithType(signetv1alpha1.KeyTypeHMAC), true, "key", "secret"),
		Entry("Basic", gen.WithType(signetv1alpha1.KeyTypeBasic), true, "username", "password", "credential"),
		Entry("AES", gen.WithAES(signetv1alpha1.AlgorithmAES256CFB), false, "key", "secret", "algorithm"),
		Entry("PublicKey", gen.WithType(signetv1alpha1.KeyTypePublicKey), false, "key", "secret"),
	)

	It("uses the supplied component and generates the other", func(ctx SpecContext) {
		cluster.StartManager(env.ManagerOptions{})
		env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(namespace)))
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own"), gen.WithShortRotation())))
		first := managedSecret(Default, ctx, key)
		Expect(first.Data["secret"]).To(BeEquivalentTo(plantedSecret))
		Expect(first.Data["key"]).To(HaveLen(32))

		By("rotating to a component that changes, and keeping the other")
		source := gen.SourceSecret("own", nil, gen.InNamespace(namespace))
		env.Update(ctx, admin, source, func(s *corev1.Secret) { s.Data["secret"] = []byte(plantedSecret2) })
		Eventually(func(g Gomega) {
			second := managedSecret(g, ctx, key)
			g.Expect(second.Data["secret"]).To(BeEquivalentTo(plantedSecret2))
			g.Expect(second.Data["key"]).To(Equal(first.Data["key"]))
			g.Expect(second.Data["key-id"]).NotTo(Equal(first.Data["key-id"]))
			g.Expect(env.Reload(g, ctx, admin, key).Status.KeyID).To(BeEquivalentTo(second.Data["key-id"]))
		}).Should(Succeed())

		By("keeping the bytes of a component that is no longer supplied")
		env.Update(ctx, admin, source, func(s *corev1.Secret) { delete(s.Data, "secret"); s.Data["key"] = []byte(plantedKey) })
		Eventually(func(g Gomega) {
			third := managedSecret(g, ctx, key)
			g.Expect(third.Data["key"]).To(BeEquivalentTo(plantedKey))
			g.Expect(third.Data["secret"]).To(BeEquivalentTo(plantedSecret2))
			g.Expect(env.Reload(g, ctx, admin, key)).To(match.Rotating(metav1.ConditionFalse, signetv1alpha1.ReasonSettled))
		}).Should(Succeed())
	})

	It("is not made before its source is there", func(ctx SpecContext) {
		manager := cluster.StartManager(env.ManagerOptions{})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own")))
		eventually(ctx, key, match.Ready(metav1.ConditionUnknown, signetv1alpha1.ReasonSourceNotFound,
			`Secret "own" does not exist or lacks the label signet.dev/signature-material: "true". Create or label it.`))
		Eventually(func() []string { return manager.Requests.Writes(namespace) }).Should(HaveLen(1))

		By("creating it without its label, and labeling it")
		source := gen.SourceSecret("own", map[string]string{"key": plantedKey}, gen.InNamespace(namespace))
		source.Labels = nil
		env.Create(ctx, admin, source)
		env.Update(ctx, admin, source, func(s *corev1.Secret) {
			s.Labels = map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource}
		})
		Expect(readyKey(ctx, key).Status.Identifier).To(Equal(plantedKey))
		Expect(managedSecret(Default, ctx, key).Data["key"]).To(BeEquivalentTo(plantedKey))
	})

	It("is made once when the manager ends between Secret and status", func(ctx SpecContext) {
		first := cluster.StartManager(env.ManagerOptions{Fault: func(request *http.Request) error {
			if strings.HasSuffix(request.URL.Path, "/status") && strings.Contains(request.URL.Path, namespace) {
				return errors.New("no status today")
			}
			return nil
		}})
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		var made *corev1.Secret
		Eventually(func(g Gomega) { made = managedSecret(g, ctx, key) }).Should(Succeed())
		first.Stop()
		Expect(env.Reload(Default, ctx, admin, key).Status.ObservedGeneration).To(BeEquivalentTo(-1))

		second := cluster.StartManager(env.ManagerOptions{})
		key = readyKey(ctx, key)
		Expect(managedSecret(Default, ctx, key).Data).To(Equal(made.Data))
		Expect(second.Requests.Writes(namespace)).To(HaveLen(1))
		Eventually(func(g Gomega) {
			reported := env.Events(g, ctx, admin, key)
			g.Expect(reported).To(ContainElement(ContainSubstring("Ready")))
			g.Expect(reported).NotTo(ContainElement(ContainSubstring("Adopted")))
		}).Should(Succeed())
	})

	It("is adopted from a Secret that an earlier key has left", func(ctx SpecContext) {
		manager := cluster.StartManager(env.ManagerOptions{})
		old := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain))))
		secret := managedSecret(Default, ctx, old)
		Expect(secret.OwnerReferences).To(BeEmpty())
		Expect(admin.Delete(ctx, old)).To(Succeed())
		Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(old), old) }).ShouldNot(Succeed())

		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithTrigger("again"))))
		adopted := managedSecret(Default, ctx, key)
		for _, name := range []string{"key", "secret", "key-id", "created"} {
			Expect(adopted.Data[name]).To(Equal(secret.Data[name]), name)
		}
		Expect(adopted.Data["trigger"]).To(BeEquivalentTo("again"))
		Expect(metav1.IsControlledBy(adopted, key)).To(BeTrue())
		Expect(key.Status.ObservedTrigger).To(Equal("again"))
		Eventually(func(g Gomega) {
			g.Expect(env.Events(g, ctx, admin, key)).To(ContainElement(
				"Normal Adopted: Adopted existing Secret \"orders\" with version " + key.Status.KeyID + "."))
		}).Should(Succeed())
		Expect(manager.Requests.Writes(namespace)).To(HaveLen(4), "two for each key")
	})

	It("is generated again for an unbound key whose Secret is missing", func(ctx SpecContext) {
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		unbound(ctx, key, "waits")
		secret := managedSecret(Default, ctx, key)
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		Eventually(func(g Gomega) {
			fresh := managedSecret(g, ctx, key)
			g.Expect(fresh.Data["key-id"]).NotTo(Equal(secret.Data["key-id"]))
			g.Expect(env.Reload(g, ctx, admin, key).Status.KeyID).To(BeEquivalentTo(fresh.Data["key-id"]))
		}).Should(Succeed())
	})
})

var _ = Describe("A managed Secret", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = env.NewNamespace(ctx, admin) })

	DescribeTable("is healed with one write",
		func(ctx SpecContext, harm func(*corev1.Secret)) {
			manager := cluster.StartManager(env.ManagerOptions{})
			key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithType(signetv1alpha1.KeyTypeBasic))))
			sound := managedSecret(Default, ctx, key)
			before := len(manager.Requests.Writes(namespace))
			env.Update(ctx, admin, sound, harm)
			Eventually(func(g Gomega) {
				healed := managedSecret(g, ctx, key)
				g.Expect(healed.Labels).To(Equal(sound.Labels))
				g.Expect(healed.OwnerReferences).To(Equal(sound.OwnerReferences))
				g.Expect(healed.Data).To(Equal(sound.Data))
			}).Should(Succeed())
			// The write may be seen before its answer has been noted.
			Eventually(func() []string { return manager.Requests.Writes(namespace)[before:] }).
				Should(match.Writes("patch secrets/orders"))
			Expect(env.Reload(Default, ctx, admin, key).Status).To(Equal(key.Status))
		},
		Entry("when a label is gone", func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelManagedBy) }),
		Entry("when the label that caches select by is gone", func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelMaterial) }),
		Entry("when the label with its key is gone", func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelKey) }),
		Entry("when all labels are gone", func(s *corev1.Secret) { s.Labels = nil }),
		Entry("when its owner is gone", func(s *corev1.Secret) { s.OwnerReferences = nil }),
		Entry("when its owner has another UID", func(s *corev1.Secret) { s.OwnerReferences[0].UID = "of-before-the-restore" }),
		Entry("when derived data is changed", func(s *corev1.Secret) { s.Data["password"] = []byte("x") }),
	)

	It("gets a new version when another client changes its bytes", func(ctx SpecContext) {
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		env.Update(ctx, admin, managedSecret(Default, ctx, key), func(s *corev1.Secret) { s.Data["secret"] = []byte(plantedSecret) })
		Eventually(func(g Gomega) {
			secret := managedSecret(g, ctx, key)
			g.Expect(secret.Data["secret"]).To(BeEquivalentTo(plantedSecret))
			fresh := env.Reload(g, ctx, admin, key)
			g.Expect(fresh.Status.KeyID).NotTo(Equal(key.Status.KeyID))
			g.Expect(fresh.Status.KeyID).To(BeEquivalentTo(secret.Data["key-id"]))
			g.Expect(fresh).To(match.Ready(metav1.ConditionTrue, signetv1alpha1.ReasonReady))
			g.Expect(env.Events(g, ctx, admin, key)).To(ContainElement(HavePrefix(`Warning MaterialModified: Another client changed the data of Secret "orders". It is in use as version `)))
		}).Should(Succeed())
	})

	It("follows the template, and drops what the template drops", func(ctx SpecContext) {
		cluster.StartManager(env.ManagerOptions{})
		key := gen.SignatureKey("orders", gen.InNamespace(namespace))
		key.Spec.Target.Template = &signetv1alpha1.SecretTemplate{
			Labels:      map[string]signetv1alpha1.LabelValue{"team": "shop", "tier": "1"},
			Annotations: map[string]signetv1alpha1.AnnotationValue{"example.com/reflect": "true"},
		}
		key = readyKey(ctx, env.Create(ctx, admin, key))
		secret := managedSecret(Default, ctx, key)
		Expect(secret.Labels).To(And(HaveKeyWithValue("team", "shop"), HaveKeyWithValue("tier", "1")))
		Expect(secret.Annotations).To(HaveKeyWithValue("example.com/reflect", "true"))

		env.Update(ctx, admin, secret, func(s *corev1.Secret) { s.Labels["of-another-client"] = "stays" })
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) {
			k.Spec.Target.Template = &signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{"team": "depot"}}
		})
		Eventually(func(g Gomega) {
			secret := managedSecret(g, ctx, key)
			g.Expect(secret.Labels).To(And(HaveKeyWithValue("team", "depot"), Not(HaveKey("tier")), HaveKey("of-another-client")))
			g.Expect(secret.Annotations).NotTo(HaveKey("example.com/reflect"))
		}).Should(Succeed())
	})

	It("follows the deletion policy", func(ctx SpecContext) {
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		env.Update(ctx, admin, key, gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain))
		Eventually(func(g Gomega) { g.Expect(managedSecret(g, ctx, key).OwnerReferences).To(BeEmpty()) }).Should(Succeed())
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) {
			k.Spec.Target.DeletionPolicy = signetv1alpha1.DeletionPolicyDelete
		})
		Eventually(func(g Gomega) {
			g.Expect(metav1.IsControlledBy(managedSecret(g, ctx, key), key)).To(BeTrue())
		}).Should(Succeed())
	})

	It("has the display name that the key has", func(ctx SpecContext) {
		cluster.StartManager(env.ManagerOptions{})
		key := readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		env.Update(ctx, admin, key, func(k *signetv1alpha1.SignatureKey) { k.Spec.DisplayName = "orders_2" })
		Eventually(func(g Gomega) {
			g.Expect(managedSecret(g, ctx, key).Data["display-name"]).To(BeEquivalentTo("orders_2"))
			fresh := env.Reload(g, ctx, admin, key)
			g.Expect(fresh.Status.DisplayName).To(Equal("orders_2"))
			g.Expect(fresh.Status.KeyID).To(Equal(key.Status.KeyID))
		}).Should(Succeed())
	})
})

// reconcileMany reconciles a key a hundred times and returns the requests that this
// sends to the API server.
func reconcileMany(ctx context.Context, manager *env.Manager, key client.Object) []string {
	GinkgoHelper()
	before := len(manager.Requests.Of(key.GetNamespace()))
	for range 100 {
		_, err := manager.Keys.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(key)})
		Expect(err).NotTo(HaveOccurred())
	}
	return manager.Requests.Of(key.GetNamespace())[before:]
}
