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
)

var _ = Describe("the webhooks", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx) })

	It("warn", func(ctx SpecContext) {
		key := newKey(namespace, "orders")
		key.Spec.Type, key.Spec.Algorithm = signetv1alpha1.KeyTypeAES, signetv1alpha1.AlgorithmAES256CFB
		told, err := admin.ask(func() error { return admin.Create(ctx, key) })
		Expect(err).NotTo(HaveOccurred())
		Expect(told).To(ConsistOf("spec.type: AES gains nothing over HMAC, and both of its halves are secret: prefer HMAC"))

		By("of a key that is not there")
		holder := newBinding(namespace, "holder", "missing", "orders")
		told, err = admin.ask(func() error { return admin.Create(ctx, holder) })
		Expect(err).NotTo(HaveOccurred())
		Expect(told).To(ConsistOf("spec.keyRef.name: there is no SignatureKey missing in this namespace: the binding waits until you create it, or correct the name"))
		expectReady(ctx, key, "True Ready")
		change(ctx, holder, func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = key.Name })
		expectReady(ctx, holder, "True Bound")

		By("of an API that is taken")
		late := newBinding(namespace, "late", "orders", "orders")
		late.Spec.SignatureHeader = "X-Signature"
		told, err = admin.ask(func() error { return admin.Create(ctx, late) })
		Expect(err).NotTo(HaveOccurred())
		Expect(told).To(ConsistOf("spec.apis[0]: SignatureBinding holder has API orders in environment RELEASE, and keeps it: take the API out of one of the two"))

		By("of nothing where the holder signs in the same way")
		told, err = admin.ask(func() error {
			return admin.Create(ctx, newBinding(namespace, "alike", "orders", "orders"), client.DryRunAll)
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(told).To(BeEmpty())

		By("of the deletion of a bound key, as kubectl shows it")
		Expect(kubectl(ctx, "-n", namespace, "delete", "signaturekey", "orders", "--wait=false")).To(HavePrefix(
			"Warning: SignatureKey orders is in use and goes on signing until no SignatureBinding uses it. " +
				"To let it go, delete these bindings or change their spec.keyRef: holder, late\n"))

		By("of a key that was deleted in an earlier second")
		Eventually(func(g Gomega) {
			told, err = admin.ask(func() error {
				return admin.Create(ctx, newBinding(namespace, "later", "orders", "other"), client.DryRunAll)
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(told).To(ConsistOf("spec.keyRef.name: SignatureKey orders is being deleted and takes no new bindings: name another key"))
		}).Should(Succeed())
	})

	It("refuse a source that breaks the rules of a key that names it", func(ctx SpecContext) {
		create(ctx, newSourcedKey(namespace, "orders", "own"))
		source := newSource(namespace, "own", map[string]string{"secret": "short"})
		Eventually(func(g Gomega) {
			_, err := admin.ask(func() error { return admin.Create(ctx, source, client.DryRunAll) })
			g.Expect(err).To(MatchError(`admission webhook "signature-sources.signet.dev" denied the request: Secret "own" is invalid: ` +
				"data[secret]: Invalid value: an HMAC secret has 16 to 64 letters, digits and any of _ - ! @ # $ %, first a letter or digit (for SignatureKey orders)"))
			g.Expect(apierrors.ReasonForError(err)).To(Equal(metav1.StatusReasonInvalid))
		}).Should(Succeed())
		source = newSource(namespace, "unnamed", map[string]string{"secret": "short"})
		Expect(admin.Create(ctx, source)).To(Succeed())
		source = newSource(namespace, "own", map[string]string{"secret": "short"})
		source.Labels = nil
		Expect(admin.Create(ctx, source)).To(Succeed())
		_, err := admin.ask(func() error {
			return admin.Patch(ctx, source, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"signet.dev/signature-material":"true"}}}`)))
		})
		Expect(err).To(MatchError(ContainSubstring("data[secret]: Invalid value: an HMAC secret has 16 to 64")))
	})

	It("keep the gate and the promise of the flags", func(ctx SpecContext) {
		withManager(ctx, "--reject-taken-slots")
		closed := newKey(namespace, "pair")
		closed.Spec.Type = signetv1alpha1.KeyTypePublicKey
		_, err := admin.ask(func() error { return admin.Create(ctx, closed) })
		Expect(err).To(MatchError(`admission webhook "signaturekeys.signet.dev" denied the request: SignatureKey.signet.dev "pair" is invalid: ` +
			"spec.type: Forbidden: type PublicKey is not enabled: run the manager with --public-key-enable, or choose HMAC"))
		Expect(apierrors.ReasonForError(err)).To(Equal(metav1.StatusReasonInvalid))

		create(ctx, newKey(namespace, "orders"))
		expectReady(ctx, create(ctx, newBinding(namespace, "holder", "orders", "orders")), "True Bound")
		const taken = "SignatureBinding holder has API orders in environment RELEASE, and keeps it: take the API out of one of the two"
		late := newBinding(namespace, "late", "orders", "orders")
		late.Spec.SignatureHeader = "X-Signature"
		_, err = admin.ask(func() error { return admin.Create(ctx, late) })
		Expect(err).To(MatchError(`admission webhook "signaturebindings.signet.dev" denied the request: ` +
			`SignatureBinding.signet.dev "late" is invalid: spec.apis[0]: Forbidden: ` + taken))
		// Whoever signs in the same way is on standby, which breaks no promise.
		expectReady(ctx, create(ctx, newBinding(namespace, "alike", "orders", "orders")), "True Standby")
	})

	It("fail closed for Signet's kinds, and open for all else", func(ctx SpecContext) {
		key := create(ctx, newKey(namespace, "orders"))
		binding := create(ctx, newBinding(namespace, "orders", "orders", "orders"))
		expectReady(ctx, binding, "True Bound")
		sourced := create(ctx, newSourcedKey(namespace, "sourced", "own"))
		valid := create(ctx, newSource(namespace, "own", map[string]string{"secret": "a-valid-secret-0123"}))
		expectReady(ctx, sourced, "True Ready")
		parked := newKey(namespace, "parked")
		parked.Finalizers = []string{"example.com/audit"}
		create(ctx, parked)
		back := withoutManager()

		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"team":"a"}}}`))
		const keysClosed, bindingsClosed = `failed calling webhook "signaturekeys.signet.dev"`, `failed calling webhook "signaturebindings.signet.dev"`
		Expect(admin.Create(ctx, newKey(namespace, "other"))).To(MatchError(ContainSubstring(keysClosed)))
		Expect(admin.Patch(ctx, key.DeepCopy(), patch)).To(MatchError(ContainSubstring(keysClosed)))
		Expect(admin.Create(ctx, newBinding(namespace, "other", "orders", "other"))).To(MatchError(ContainSubstring(bindingsClosed)))
		Expect(admin.Patch(ctx, binding.DeepCopy(), patch)).To(MatchError(ContainSubstring(bindingsClosed)))

		By("letting Secrets through, whatever they are")
		change(ctx, valid, func(secret *corev1.Secret) { secret.Data["secret"] = []byte("short") })
		create(ctx, newSource(namespace, "new", map[string]string{"secret": "short"}))
		create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "plain"}})

		By("letting deletions through, to the end")
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		gone(ctx, binding)(Default)
		Expect(admin.Delete(ctx, parked)).To(Succeed())
		Expect(admin.Patch(ctx, parked, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		gone(ctx, parked)(Default)
		Expect(admin.Delete(ctx, key)).To(Succeed())

		By("catching up when the manager is back")
		back(ctx)
		Eventually(gone(ctx, key)).Should(Succeed())
		Expect(expectReady(ctx, sourced, "False InvalidMaterial")).To(Equal(
			`Secret "own" is invalid: data[secret]: an HMAC secret has 16 to 64 letters, digits and any of _ - ! @ # $ %, first a letter or digit.`))
	})
})
