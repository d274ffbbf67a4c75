// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// What the policy answers begins with one of these, after its name.
const (
	denied       = "ValidatingAdmissionPolicy 'signet-managed-secrets' with binding 'signet-managed-secrets' denied request: "
	ownLabel     = denied + "only Signet sets, changes and takes away the label signet.dev/signature-key."
	otherLabels  = denied + "only Signet changes its labels on what it manages"
	ownData      = denied + "only Signet changes data, type and immutable of what it manages."
	ofType       = "ValidatingAdmissionPolicy 'signet-secret-creation' with binding 'signet-secret-creation' denied request: only Signet creates Secrets of type signet.dev/signature-key."
	eitherPolicy = "denied request: only Signet" // the API server evaluates policies in any order
	finalizer    = denied + "only Signet removes its finalizer signet.dev/in-use"
	keyFinalizer = "ValidatingAdmissionPolicy 'signet-key-protection' with binding 'signet-key-protection' denied request: only Signet removes its finalizer signet.dev/in-use"
	editor       = "policy:editor"
	restorer     = "system:serviceaccount:velero:velero"
	forgedSecret = "forged-secret-0123456789"
)

// attack is a write to a managed Secret, or of what looks like one.
type attack struct {
	do func(ctx context.Context, u *user, secret *corev1.Secret) error
	// answer is how the refusal goes on.
	answer string
}

// update is a write of the whole object, as `kubectl replace` does it.
func update(how func(*corev1.Secret)) func(context.Context, *user, *corev1.Secret) error {
	return func(ctx context.Context, u *user, secret *corev1.Secret) error {
		forged := secret.DeepCopy()
		forged.ResourceVersion = ""
		how(forged)
		return u.Update(ctx, forged)
	}
}

func patch(kind types.PatchType, body string) func(context.Context, *user, *corev1.Secret) error {
	return func(ctx context.Context, u *user, secret *corev1.Secret) error {
		return u.Patch(ctx, secret.DeepCopy(), client.RawPatch(kind, []byte(body)))
	}
}

// apply is `kubectl apply --server-side --force-conflicts`.
func apply(how func(*corev1apply.SecretApplyConfiguration)) func(context.Context, *user, *corev1.Secret) error {
	return func(ctx context.Context, u *user, secret *corev1.Secret) error {
		forged := corev1apply.Secret(secret.Name, secret.Namespace).WithType(secret.Type)
		how(forged)
		return u.Apply(ctx, forged, client.FieldOwner("attacker"), client.ForceOwnership)
	}
}

// createForged makes another Secret with the label of a managed one.
func createForged(how func(*corev1.Secret)) func(context.Context, *user, *corev1.Secret) error {
	return func(ctx context.Context, u *user, secret *corev1.Secret) error {
		forged := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: "forged", Labels: map[string]string{signetv1alpha1.LabelKey: "other"}},
			Data:       secret.Data,
		}
		how(forged)
		return u.Create(ctx, forged)
	}
}

// labelLater takes a Secret of one's own, and then the label.
func labelLater(how func(context.Context, *user, *corev1.Secret) error) func(context.Context, *user, *corev1.Secret) error {
	return func(ctx context.Context, u *user, secret *corev1.Secret) error {
		own := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, GenerateName: "own-"}, Data: secret.Data}
		if err := u.Create(ctx, own); err != nil {
			return fmt.Errorf("make a Secret of one's own: %w", err)
		}
		return how(ctx, u, own)
	}
}

func attacks() map[string]attack {
	setData := func(secret *corev1.Secret) { secret.Data["secret"] = []byte(forgedSecret) }
	setLabel := func(name, value string) func(*corev1.Secret) {
		return func(secret *corev1.Secret) {
			secret.Labels = map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged}
			secret.Labels[name] = value
		}
	}
	return map[string]attack{
		"updates data":              {update(setData), ownData},
		"adds data":                 {update(func(s *corev1.Secret) { s.Data["previous.key"] = []byte("forged") }), ownData},
		"takes data away":           {update(func(s *corev1.Secret) { delete(s.Data, "checksum") }), ownData},
		"takes all data away":       {update(func(s *corev1.Secret) { s.Data = nil }), ownData},
		"updates stringData":        {update(func(s *corev1.Secret) { s.StringData = map[string]string{"secret": forgedSecret} }), ownData},
		"makes it immutable":        {update(func(s *corev1.Secret) { s.Immutable = ptr.To(true) }), ownData},
		"changes its type":          {update(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }), "type: Invalid value: \"Opaque\": field is immutable"},
		"merges data":               {patch(types.MergePatchType, `{"stringData":{"secret":"`+forgedSecret+`"}}`), ownData},
		"merges data strategically": {patch(types.StrategicMergePatchType, `{"data":{"secret":"Zm9yZ2Vk"}}`), ownData},
		"patches data":              {patch(types.JSONPatchType, `[{"op":"replace","path":"/data/secret","value":"Zm9yZ2Vk"}]`), ownData},
		"copies data":               {patch(types.JSONPatchType, `[{"op":"copy","from":"/data/secret","path":"/data/previous.secret"}]`), ownData},
		"applies data": {apply(func(s *corev1apply.SecretApplyConfiguration) {
			s.WithStringData(map[string]string{"secret": forgedSecret})
		}), ownData},
		"takes the label away":  {patch(types.JSONPatchType, `[{"op":"remove","path":"/metadata/labels/signet.dev~1signature-key"}]`), ownLabel},
		"takes all labels away": {update(func(s *corev1.Secret) { s.Labels = nil }), ownLabel},
		"changes the label":     {patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/signature-key":"other"}}}`), ownLabel},
		"empties the label":     {patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/signature-key":""}}}`), ownLabel},
		"applies the label": {apply(func(s *corev1apply.SecretApplyConfiguration) {
			s.WithLabels(map[string]string{signetv1alpha1.LabelKey: "other"})
		}), ownLabel},
		"takes label and data":                      {update(func(s *corev1.Secret) { s.Labels = nil; setData(s) }), ownLabel},
		"hides it from the cache":                   {patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/signature-material":null}}}`), otherLabels},
		"makes it a source":                         {patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/signature-material":"true"}}}`), otherLabels},
		"adds a label of Signet's":                  {patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/other":"x"}}}`), otherLabels},
		"changes its manager label":                 {patch(types.MergePatchType, `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm"}}}`), otherLabels},
		"creates one":                               {createForged(func(*corev1.Secret) {}), ownLabel},
		"creates one with an empty label":           {createForged(setLabel(signetv1alpha1.LabelKey, "")), ownLabel},
		"creates one without data":                  {createForged(func(s *corev1.Secret) { s.Data = nil }), ownLabel},
		"creates one of the type":                   {createForged(func(s *corev1.Secret) { s.Type = signetv1alpha1.SecretType }), eitherPolicy},
		"creates one of the type without the label": {createForged(func(s *corev1.Secret) { s.Type, s.Labels = signetv1alpha1.SecretType, nil }), ofType},
		"creates one that names the key as its owner": {func(ctx context.Context, u *user, secret *corev1.Secret) error {
			return createForged(func(s *corev1.Secret) { s.Type, s.Labels, s.OwnerReferences = secret.Type, nil, secret.OwnerReferences })(ctx, u, secret)
		}, ofType},
		"creates one with a generated name": {createForged(func(s *corev1.Secret) { s.Name, s.GenerateName = "", "forged-" }), ownLabel},
		"applies one that is not there": {apply(func(s *corev1apply.SecretApplyConfiguration) {
			s.WithName("forged").WithLabels(map[string]string{signetv1alpha1.LabelKey: "other"})
		}), eitherPolicy},
		"labels one of their own":           {labelLater(patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/signature-key":"other"}}}`)), ownLabel},
		"labels one of their own by update": {labelLater(update(setLabel(signetv1alpha1.LabelKey, "other"))), ownLabel},
	}
}

var _ = Describe("the policy on managed Secrets", Ordered, func() {
	var (
		namespace string
		key       *signetv1alpha1.SignatureKey
		secret    *corev1.Secret
	)

	BeforeAll(func(ctx SpecContext) {
		namespace = env.NewNamespace(ctx, admin)
		grant(ctx, namespace, "edit", editor)
		key = env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		secret = managedSecret(ctx, key)
	})

	for _, who := range []string{"a cluster administrator", "an editor"} {
		for _, name := range slices.Sorted(maps.Keys(attacks())) {
			attempt := attacks()[name]
			It("holds when "+who+" "+name, func(ctx SpecContext) {
				u := admin
				if who == "an editor" {
					u = newUser(editor)
				}
				_, err := u.ask(func() error { return attempt.do(ctx, u, secret) })
				Expect(err).To(MatchError(ContainSubstring(attempt.answer)))
				Expect(apierrors.IsForbidden(err) || apierrors.IsInvalid(err)).To(BeTrue(), err.Error())
				Expect(env.Reload(Default, ctx, admin, secret)).To(Equal(secret))
			})
		}
	}

	It("has no other way in", func(ctx SpecContext) {
		forged := secret.DeepCopy()
		forged.Data["secret"] = []byte(forgedSecret)
		Expect(apierrors.IsNotFound(admin.Status().Update(ctx, forged))).To(BeTrue(), "Secrets have no status")
		Expect(env.Reload(Default, ctx, admin, secret)).To(Equal(secret))
	})

	It("and the finalizer leave no way round by deleting and creating", func(ctx SpecContext) {
		bound := env.Create(ctx, admin, gen.SignatureKey("bound", gen.InNamespace(namespace)))
		env.ExpectReady(ctx, admin, env.Create(ctx, admin, gen.SignatureBinding("bound", "bound", gen.InNamespace(namespace), gen.WithAPIs("bound"))), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		held := managedSecret(ctx, bound)
		editing := newUser(editor)
		Expect(editing.Delete(ctx, held.DeepCopy())).To(Succeed())
		forged := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: held.Name}, Data: map[string][]byte{"secret": []byte(forgedSecret)}}
		Expect(apierrors.IsAlreadyExists(editing.Create(ctx, forged))).To(BeTrue())
		Expect(env.ExpectReady(ctx, admin, bound, metav1.ConditionTrue, signetv1alpha1.ReasonSecretTerminating)).To(ContainSubstring("keeps working"))
		Expect(env.Reload(Default, ctx, admin, held).Data).To(Equal(held.Data))
		Expect(update(func(s *corev1.Secret) { s.Data = forged.Data })(ctx, editing, env.Reload(Default, ctx, admin, held))).To(MatchError(ContainSubstring(ownData)))
	})

	It("reserves the finalizer for the manager and for those who may release keys", func(ctx SpecContext) {
		used := env.Create(ctx, admin, gen.SignatureKey("used", gen.InNamespace(namespace)))
		env.ExpectReady(ctx, admin, env.Create(ctx, admin, gen.SignatureBinding("used", "used", gen.InNamespace(namespace), gen.WithAPIs("used"))), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		protected := managedSecret(ctx, used)
		Expect(protected.Finalizers).To(ContainElement(signetv1alpha1.FinalizerProtection))
		const without = `{"metadata":{"finalizers":null}}`
		onKey := func(u *user) error {
			return u.Patch(ctx, used.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(without)), client.DryRunAll)
		}
		onSecret := func(u *user) error {
			return u.Patch(ctx, protected.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(without)), client.DryRunAll)
		}
		editing := newUser(editor)
		Expect(onSecret(editing)).To(MatchError(ContainSubstring(finalizer)))
		Expect(onKey(editing)).To(MatchError(ContainSubstring(keyFinalizer)))
		Expect(onSecret(admin)).To(Succeed())
		Expect(onKey(admin)).To(Succeed())

		By("granting the verb in this namespace")
		env.Create(ctx, admin, &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "release"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{signetv1alpha1.GroupVersion.Group}, Resources: []string{"signaturekeys"}, Verbs: []string{"release"}}},
		})
		env.Create(ctx, admin, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "release"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "release"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: editor}},
		})
		Eventually(func() error { return onSecret(editing) }).Should(Succeed())
		Expect(onKey(editing)).To(Succeed())
	})

	It("leaves other metadata free", func(ctx SpecContext) {
		editing := newUser(editor)
		for _, free := range []string{
			`{"metadata":{"annotations":{"team":"a"},"labels":{"team":"a"}}}`,
			`{"metadata":{"finalizers":["example.com/audit"]}}`,
			`{"metadata":{"finalizers":null}}`,
		} {
			Expect(patch(types.MergePatchType, free)(ctx, editing, secret)).To(Succeed())
		}
	})

	It("lets the manager do its work", func(ctx SpecContext) {
		manager := newAccount(ctx, env.SystemNamespace, env.ManagerAccount)
		own := env.Create(ctx, admin, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "own"}})
		Expect(patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/signature-key":"other"}}}`)(ctx, manager, own)).To(Succeed())
		Expect(patch(types.MergePatchType, `{"data":{"secret":"Zm9yZ2Vk"}}`)(ctx, manager, own)).To(Succeed())
		Expect(createForged(func(s *corev1.Secret) { s.Name = "managed" })(ctx, manager, secret)).To(Succeed())
	})

	It("refuses every other account of Signet's namespace", func(ctx SpecContext) {
		env.Create(ctx, admin, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: env.SystemNamespace, Name: "signet-controller-manager-2"}})
		other := newUser("system:serviceaccount:signet-system:signet-controller-manager-2", "system:masters", "system:serviceaccounts:signet-system")
		Expect(patch(types.MergePatchType, `{"data":{"secret":"Zm9yZ2Vk"}}`)(ctx, other, secret)).To(MatchError(ContainSubstring(ownData)))
	})

	It("lets listed users restore, while they are listed", func(ctx SpecContext) {
		velero := newUser(restorer, "system:masters")
		restore := createForged(func(s *corev1.Secret) { s.Name, s.GenerateName = "", "restored-" })
		Expect(restore(ctx, velero, secret)).To(MatchError(ContainSubstring(ownLabel)))
		parameters := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: env.SystemNamespace, Name: "signet-policy-parameters"}}
		env.Update(ctx, admin, parameters, func(c *corev1.ConfigMap) { c.Data["users"] = "another-user\n  " + restorer + "\n" })
		DeferCleanup(func(ctx SpecContext) {
			env.Update(ctx, admin, parameters, func(c *corev1.ConfigMap) { c.Data["users"] = "" })
			Eventually(func() error { return restore(ctx, velero, secret) }).Should(MatchError(ContainSubstring(ownLabel)))
		})
		Eventually(func() error { return restore(ctx, velero, secret) }).Should(Succeed())
		Expect(patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/other":"x"}}}`)(ctx, velero, secret)).To(Succeed())
		Expect(patch(types.MergePatchType, `{"metadata":{"labels":{"signet.dev/other":null}}}`)(ctx, velero, secret)).To(Succeed())
		Expect(restore(ctx, admin, secret)).To(MatchError(ContainSubstring(ownLabel)))
		for _, near := range []string{"system:serviceaccount:velero:velero2", "another-use", strings.ToUpper(restorer)} {
			Expect(restore(ctx, newUser(near, "system:masters"), secret)).To(MatchError(ContainSubstring(ownLabel)), near)
		}
	})

	It("guards the ConfigMaps with public components too", func(ctx SpecContext) {
		pair := gen.SignatureKey("pair", gen.InNamespace(namespace))
		pair.Spec.Type = signetv1alpha1.KeyTypePublicKey
		env.ExpectReady(ctx, admin, env.Create(ctx, admin, pair), metav1.ConditionTrue, signetv1alpha1.ReasonReady)
		public := env.Reload(Default, ctx, admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pair.PublicConfigMapName()}})
		for body, answer := range map[string]string{
			`{"data":{"key":"forged"}}`:                                 ownData,
			`{"binaryData":{"other":"Zm9yZ2Vk"}}`:                       ownData,
			`{"immutable":true}`:                                        ownData,
			`{"metadata":{"labels":{"signet.dev/signature-key":null}}}`: ownLabel,
		} {
			err := admin.Patch(ctx, public.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(body)))
			Expect(err).To(MatchError(ContainSubstring(answer)), body)
		}
	})

	It("has nothing to do with other Secrets", func(ctx SpecContext) {
		own := env.Create(ctx, admin, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "free", Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"}}})
		editing := newUser(editor)
		Expect(patch(types.MergePatchType, `{"data":{"a":"Zm9yZ2Vk"},"metadata":{"labels":{"app.kubernetes.io/managed-by":"x"}}}`)(ctx, editing, own)).To(Succeed())
		Expect(editing.Delete(ctx, own)).To(Succeed())
	})
})

// The garbage collector and the namespace controller come as users that no
// policy knows.
var _ = Describe("the cluster's own controllers", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = env.NewNamespace(ctx, admin)
		probe := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": signetv1alpha1.GroupVersion.String(), "kind": "SignatureKey",
			"metadata": map[string]any{"name": "probe", "namespace": namespace}, "spec": map[string]any{"type": "HMAC"},
		}}
		Expect(cluster.WaitForGarbageCollector(ctx, probe)).To(Succeed())
	})

	for _, propagation := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
		It("collect the Secret of a key that is deleted, "+string(propagation), func(ctx SpecContext) {
			key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
			secret := managedSecret(ctx, key)
			Expect(admin.Delete(ctx, key, client.PropagationPolicy(propagation))).To(Succeed())
			Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).WithTimeout(proc.Long).Should(Succeed())
			Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, secret) }).WithTimeout(proc.Long).Should(Succeed())
		})
	}

	It("orphan it on request", func(ctx SpecContext) {
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		secret := managedSecret(ctx, key)
		Expect(admin.Delete(ctx, key, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, key) }).WithTimeout(proc.Long).Should(Succeed())
		after := env.Reload(Default, ctx, admin, secret)
		Expect(after.OwnerReferences).To(BeEmpty())
		Expect(after.Data).To(Equal(secret.Data))
	})

	It("delete a namespace with all that is in it", func(ctx SpecContext) {
		key := env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace)))
		env.ExpectReady(ctx, admin, env.Create(ctx, admin, gen.SignatureBinding("orders", "orders", gen.InNamespace(namespace), gen.WithAPIs("orders"))), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		Expect(slices.Contains(env.Reload(Default, ctx, admin, key).Finalizers, signetv1alpha1.FinalizerProtection)).To(BeTrue())
		whole := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		Expect(admin.Delete(ctx, whole)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, whole) }).WithTimeout(proc.Long).Should(Succeed())
	})
})
