// SPDX-License-Identifier: Apache-2.0

package admission

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

var _ = Describe("the webhooks", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = env.NewNamespace(ctx, admin) })

	It("warn", func(ctx SpecContext) {
		key := gen.SignatureKey("orders", gen.InNamespace(namespace))
		key.Spec.Type, key.Spec.Algorithm = signetv1alpha1.KeyTypeAES, signetv1alpha1.AlgorithmAES256CFB
		warnings, err := admin.ask(func() error { return admin.Create(ctx, key) })
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(ConsistOf("spec.type: AES has no advantage over HMAC, and both of its components are secret. Use HMAC."))

		By("about a key that does not exist")
		holder := gen.SignatureBinding("holder", "missing", gen.InNamespace(namespace), gen.WithAPIs("orders"))
		warnings, err = admin.ask(func() error { return admin.Create(ctx, holder) })
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(ConsistOf(`spec.keyRef.name: SignatureKey "missing" does not exist in this namespace, so the binding waits. Create the key or fix the name.`))
		env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
		env.Update(ctx, admin, holder, func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = key.Name })
		env.ExpectReady(ctx, admin, holder, metav1.ConditionTrue, signetv1alpha1.ReasonBound)

		By("about an API that is taken")
		late := gen.SignatureBinding("late", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders"))
		late.Spec.SignatureHeader = "X-Signature"
		warnings, err = admin.ask(func() error { return admin.Create(ctx, late) })
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(ConsistOf(`spec.apis[0]: API "orders" in environment "RELEASE" is taken by SignatureBinding "holder". Remove the API from one of the two bindings.`))

		By("about nothing where the holder signs identically")
		warnings, err = admin.ask(func() error {
			return admin.Create(ctx, gen.SignatureBinding("alike", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders")), client.DryRunAll)
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty())

		By("about the deletion of a bound key, as kubectl shows it")
		output, err := cluster.Run(ctx, "-n", namespace, "delete", "signaturekey", "orders", "--wait=false")
		Expect(err).NotTo(HaveOccurred())
		Expect(output).To(HavePrefix(
			`Warning: SignatureKey "orders" is in use and keeps signing until no SignatureBinding uses it. ` +
				"To release it, delete these bindings or change their spec.keyRef: holder, late.\n"))

		By("about a key that was deleted in an earlier second")
		Eventually(func(g Gomega) {
			warnings, err = admin.ask(func() error {
				return admin.Create(ctx, gen.SignatureBinding("later", "orders", gen.InNamespace(namespace), gen.WithAPIs("other")), client.DryRunAll)
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(warnings).To(ConsistOf(`spec.keyRef.name: SignatureKey "orders" is being deleted and accepts no new bindings. Use another key.`))
		}).Should(Succeed())
	})

	It("refuse a source that breaks the rules of a key that names it", func(ctx SpecContext) {
		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own")))
		source := gen.SourceSecret("own", map[string]string{"secret": "short"}, gen.InNamespace(namespace))
		Eventually(func(g Gomega) {
			_, err := admin.ask(func() error { return admin.Create(ctx, source, client.DryRunAll) })
			g.Expect(err).To(MatchError(`admission webhook "signature-sources.signet.dev" denied the request: Secret "own" is invalid: ` +
				"data[secret]: Invalid value: an HMAC secret has 16 to 64 letters, digits and any of _ - ! @ # $ %, starting with a letter or digit (for SignatureKey \"orders\")"))
			g.Expect(apierrors.ReasonForError(err)).To(Equal(metav1.StatusReasonInvalid))
		}).Should(Succeed())
		source = gen.SourceSecret("unnamed", map[string]string{"secret": "short"}, gen.InNamespace(namespace))
		Expect(admin.Create(ctx, source)).To(Succeed())
		source = gen.SourceSecret("own", map[string]string{"secret": "short"}, gen.InNamespace(namespace))
		source.Labels = nil
		Expect(admin.Create(ctx, source)).To(Succeed())
		_, err := admin.ask(func() error {
			return admin.Patch(ctx, source, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"signet.dev/signature-material":"true"}}}`)))
		})
		Expect(err).To(MatchError(ContainSubstring("data[secret]: Invalid value: an HMAC secret has 16 to 64")))
	})

	It("keep the gate and the promise of the flags", func(ctx SpecContext) {
		withManager(ctx, "--reject-taken-slots")
		closed := gen.SignatureKey("pair", gen.InNamespace(namespace))
		closed.Spec.Type = signetv1alpha1.KeyTypePublicKey
		_, err := admin.ask(func() error { return admin.Create(ctx, closed) })
		Expect(err).To(MatchError(`admission webhook "signaturekeys.signet.dev" denied the request: SignatureKey.signet.dev "pair" is invalid: ` +
			"spec.type: Forbidden: type PublicKey is not enabled: run the manager with --public-key-enable, or use HMAC"))
		Expect(apierrors.ReasonForError(err)).To(Equal(metav1.StatusReasonInvalid))

		env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		env.ExpectReady(ctx, admin, env.Create(ctx, admin, gen.SignatureBinding("holder", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders"))), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		const taken = `API "orders" in environment "RELEASE" is taken by SignatureBinding "holder": remove the API from one of the two bindings`
		late := gen.SignatureBinding("late", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders"))
		late.Spec.SignatureHeader = "X-Signature"
		_, err = admin.ask(func() error { return admin.Create(ctx, late) })
		Expect(err).To(MatchError(`admission webhook "signaturebindings.signet.dev" denied the request: ` +
			`SignatureBinding.signet.dev "late" is invalid: spec.apis[0]: Forbidden: ` + taken))
		// A binding that signs identically is on standby, which breaks no promise.
		env.ExpectReady(ctx, admin, env.Create(ctx, admin, gen.SignatureBinding("alike", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders"))), metav1.ConditionTrue, signetv1alpha1.ReasonStandby)
	})

	It("fail closed for Signet's kinds, and open for all else", func(ctx SpecContext) {
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		binding := env.Create(ctx, admin, gen.SignatureBinding("orders", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders")))
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		sourced := env.Create(ctx, admin, gen.SignatureKey("sourced", gen.InNamespace(namespace), gen.WithSource("own")))
		valid := env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": "a-valid-secret-0123"}, gen.InNamespace(namespace)))
		env.ExpectReady(ctx, admin, sourced, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
		parked := gen.SignatureKey("parked", gen.InNamespace(namespace))
		parked.Finalizers = []string{"example.com/audit"}
		env.Create(ctx, admin, parked)
		back := withoutManager()

		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"displayName":"renamed"}}`))
		patchBinding := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"signatureHeader":"X-A"}}`))
		const keysClosed, bindingsClosed = `failed calling webhook "signaturekeys.signet.dev"`, `failed calling webhook "signaturebindings.signet.dev"`
		Expect(admin.Create(ctx, gen.SignatureKey("other", gen.InNamespace(namespace)))).To(MatchError(ContainSubstring(keysClosed)))
		Expect(admin.Patch(ctx, key.DeepCopy(), patch)).To(MatchError(ContainSubstring(keysClosed)))
		Expect(admin.Create(ctx, gen.SignatureBinding("other", "orders", gen.InNamespace(namespace), gen.WithAPIs("other")))).To(MatchError(ContainSubstring(bindingsClosed)))
		Expect(admin.Patch(ctx, binding.DeepCopy(), patchBinding)).To(MatchError(ContainSubstring(bindingsClosed)))

		By("letting changes of metadata alone through")
		metadata := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"team":"a"}}}`))
		Expect(admin.Patch(ctx, key.DeepCopy(), metadata)).To(Succeed())
		Expect(admin.Patch(ctx, binding.DeepCopy(), metadata)).To(Succeed())

		By("letting Secrets through, whatever they are")
		env.Update(ctx, admin, valid, func(secret *corev1.Secret) { secret.Data["secret"] = []byte("short") })
		env.Create(ctx, admin, gen.SourceSecret("new", map[string]string{"secret": "short"}, gen.InNamespace(namespace)))
		env.Create(ctx, admin, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "plain"}})

		By("letting deletions through, to the end")
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		env.ExpectGone(Default, ctx, admin, binding)
		Expect(admin.Delete(ctx, parked)).To(Succeed())
		Expect(admin.Patch(ctx, parked, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		env.ExpectGone(Default, ctx, admin, parked)
		Expect(admin.Delete(ctx, key)).To(Succeed())

		By("catching up when the manager is back")
		back(ctx)
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).Should(Succeed())
		Expect(env.ExpectReady(ctx, admin, sourced, metav1.ConditionFalse, signetv1alpha1.ReasonInvalidMaterial)).To(Equal(
			`Secret "own" is invalid: data[secret]: an HMAC secret has 16 to 64 letters, digits and any of _ - ! @ # $ %, starting with a letter or digit.`))
	})
})
