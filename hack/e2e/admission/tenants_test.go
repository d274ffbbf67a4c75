// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	// tenant has the role edit, and with it the Secrets of the namespace;
	// clerk has Signet's own roles alone.
	tenant = "tenant:edit"
	clerk  = "tenant:clerk"

	// Everything in the other namespace has the name existing, and nothing has the
	// name missing.
	existing = "zebra"
	missing  = "quagga"

	victimSecret = "victim-secret-0123456789"
)

// probe tries to reach the other namespace by a name, and returns all
// responses that the tenant gets.
type probe func(ctx context.Context, u *user, own, other, name string) []string

// responses are the warnings and the error that an attempt gets.
func responses(u *user, do func() error) []string {
	warned, err := u.ask(do)
	return append(warned, fmt.Sprint(err))
}

// outcomes creates an object of Signet's as the user, and adds its conditions to the
// responses.
func outcomes(ctx context.Context, u *user, object client.Object) []string {
	GinkgoHelper()
	answer := responses(u, func() error { return u.Create(ctx, object) })
	if object.GetUID() == "" {
		return answer
	}
	var conditions []metav1.Condition
	Eventually(func(g Gomega) {
		g.Expect(u.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
		var err error
		conditions, err = match.Conditions(object)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(conditions).To(ContainElement(HaveField("Type", signetv1alpha1.ConditionReady)))
	}).Should(Succeed())
	for _, condition := range conditions {
		answer = append(answer, fmt.Sprintf("%s %s %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message))
	}
	answer = append(answer, responses(u, func() error { return u.Delete(ctx, object) })...)
	if key, ok := object.(*signetv1alpha1.SignatureKey); ok && key.Status.KeyID != "" {
		// The next attempt is not to find what this one has left.
		left := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}}
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, left) }).WithTimeout(proc.Long).Should(Succeed())
	}
	return answer
}

// spellings are the ways to write a name that might be taken for one elsewhere.
var spellings = map[string]func(other, name string) string{
	"as it is":         func(_, name string) string { return name },
	"with a namespace": func(other, name string) string { return other + "/" + name },
	"with a path":      func(other, name string) string { return "../" + other + "/secrets/" + name },
	"with a dot":       func(other, name string) string { return other + "." + name },
	"of a service":     func(other, name string) string { return name + "." + other + ".svc" },
	"escaped":          func(other, name string) string { return other + "%2F" + name },
	"with a colon":     func(other, name string) string { return other + ":" + name },
}

// references are the fields that name another object.
var references = map[string]func(own, spelled string) client.Object{
	"spec.source.secretRef": func(own, spelled string) client.Object {
		return gen.SignatureKey("mine", gen.InNamespace(own), gen.WithSource(spelled))
	},
	"spec.target.name": func(own, spelled string) client.Object {
		key := gen.SignatureKey("mine", gen.InNamespace(own))
		key.Spec.Target.Name = spelled
		return key
	},
	"spec.target.name of a pair": func(own, spelled string) client.Object {
		key := gen.SignatureKey("mine", gen.InNamespace(own))
		key.Spec.Type, key.Spec.Target.Name = signetv1alpha1.KeyTypePublicKey, spelled
		return key
	},
	"spec.keyRef": func(own, spelled string) client.Object {
		return gen.SignatureBinding("mine", spelled, gen.InNamespace(own), gen.WithAPIs("mine"))
	},
	"an API": func(own, spelled string) client.Object {
		return gen.SignatureBinding("mine", "mine", gen.InNamespace(own), gen.WithAPIs(spelled))
	},
	"a route": func(own, spelled string) client.Object {
		binding := gen.SignatureBinding("mine", "mine", gen.InNamespace(own), gen.WithHTTPRoutes(spelled))
		return binding
	},
	"the template's labels": func(own, spelled string) client.Object {
		key := gen.SignatureKey("mine", gen.InNamespace(own))
		key.Spec.Target.Template = &signetv1alpha1.SecretTemplate{Labels: map[string]signetv1alpha1.LabelValue{signetv1alpha1.LabelKey: signetv1alpha1.LabelValue(spelled)}}
		return key
	},
	"the object's own name": func(own, spelled string) client.Object { return gen.SignatureKey(spelled, gen.InNamespace(own)) },
	"the object's own labels": func(own, spelled string) client.Object {
		key := gen.SignatureKey("mine", gen.InNamespace(own))
		key.Labels = map[string]string{signetv1alpha1.LabelKey: spelled, signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged}
		return key
	},
}

// secretProbes are attempts with Secrets of the tenant's own.
var secretProbes = map[string]probe{
	"a source of that name, that the rules of the other key refuse": func(ctx context.Context, u *user, own, _, name string) []string {
		source := gen.SourceSecret(name, map[string]string{"secret": "short"}, gen.InNamespace(own))
		answer := responses(u, func() error { return u.Create(ctx, source) })
		return append(answer, responses(u, func() error { return u.Delete(ctx, source) })...)
	},
	"a Secret with the labels of the other key": func(ctx context.Context, u *user, own, _, name string) []string {
		secret := gen.SourceSecret(name+"-managed", nil, gen.InNamespace(own))
		secret.Labels = map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: name}
		return responses(u, func() error { return u.Create(ctx, secret) })
	},
	"a Secret with the label of managed Secrets": func(ctx context.Context, u *user, own, _, name string) []string {
		secret := gen.SourceSecret(name+"-managed", nil, gen.InNamespace(own))
		secret.Labels[signetv1alpha1.LabelMaterial] = signetv1alpha1.MaterialManaged
		answer := responses(u, func() error { return u.Create(ctx, secret) })
		return append(answer, responses(u, func() error { return u.Delete(ctx, secret) })...)
	},
}

// directProbes access the other namespace directly.
var directProbes = map[string]probe{
	"reads it": func(ctx context.Context, u *user, _, other, name string) []string {
		at := client.ObjectKey{Namespace: other, Name: name}
		var answer []string
		for _, object := range []client.Object{&signetv1alpha1.SignatureKey{}, &signetv1alpha1.SignatureBinding{}, &corev1.Secret{}} {
			answer = append(answer, responses(u, func() error { return u.Get(ctx, at, object) })...)
		}
		return answer
	},
	"writes there": func(ctx context.Context, u *user, _, other, name string) []string {
		body := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"a":"b"}}}`))
		answer := responses(u, func() error { return u.Create(ctx, gen.SignatureKey(name, gen.InNamespace(other))) })
		answer = append(answer, responses(u, func() error { return u.Patch(ctx, gen.SignatureKey(name, gen.InNamespace(other)), body) })...)
		answer = append(answer, responses(u, func() error { return u.Delete(ctx, gen.SignatureKey(name, gen.InNamespace(other))) })...)
		return append(answer, responses(u, func() error {
			return u.Create(ctx, gen.SignatureBinding(name, name, gen.InNamespace(other), gen.WithAPIs(name)))
		})...)
	},
	"dry runs there": func(ctx context.Context, u *user, _, other, name string) []string {
		return responses(u, func() error {
			return u.Create(ctx, gen.SignatureBinding(name, name, gen.InNamespace(other), gen.WithAPIs(name)), client.DryRunAll)
		})
	},
	"has it for a parent": func(ctx context.Context, u *user, own, other, name string) []string {
		return parentProbe(ctx, u, "RELEASE", own, other, name, func(*gwapiv1.HTTPRoute) {})
	},
	"has it for a parent that accepts, in another environment": func(ctx context.Context, u *user, own, other, name string) []string {
		return parentProbe(ctx, u, "staging", own, other, name, func(route *gwapiv1.HTTPRoute) { accept(ctx, route) })
	},
}

// parentProbe binds a route whose parent is a Gateway in the other namespace.
func parentProbe(ctx context.Context, u *user, environment, own, other, name string, then func(*gwapiv1.HTTPRoute)) []string {
	GinkgoHelper()
	route := env.Create(ctx, admin, gen.HTTPRoute("mine", gen.InNamespace(own), gen.WithParentRefs(gwapiv1.ParentReference{Namespace: ptr.To(gwapiv1.Namespace(other)), Name: gwapiv1.ObjectName(name)})))
	then(route)
	binding := gen.SignatureBinding("mine", "mine", gen.InNamespace(own), gen.WithHTTPRoutes("mine"), gen.WithEnvironment(environment))
	answer := outcomes(ctx, u, binding)
	Expect(admin.Delete(ctx, route)).To(Succeed())
	return answer
}

// accept accepts a route as the controller of a gateway does.
func accept(ctx context.Context, route *gwapiv1.HTTPRoute) {
	GinkgoHelper()
	gen.Accepted(route)
	Expect(admin.Status().Update(ctx, route)).To(Succeed())
}

// furnish fills the other namespace.
func furnish(ctx context.Context, namespace string) {
	GinkgoHelper()
	env.Create(ctx, admin, gen.SourceSecret(existing, map[string]string{"key": "zebra_app", "secret": victimSecret}, gen.InNamespace(namespace)))
	key := gen.SignatureKey(existing, gen.InNamespace(namespace), gen.WithSource(existing))
	key.Spec.Target.Name = existing + "-managed"
	env.ExpectReady(ctx, admin, env.Create(ctx, admin, key), metav1.ConditionTrue, signetv1alpha1.ReasonReady)
	env.Create(ctx, admin, &gwapiv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: existing, Labels: map[string]string{signetv1alpha1.LabelEnvironment: "RELEASE"}},
		Spec: gwapiv1.GatewaySpec{GatewayClassName: "none", Listeners: []gwapiv1.Listener{{
			Name: "http", Port: 80, Protocol: gwapiv1.HTTPProtocolType,
		}}},
	})
	accept(ctx, env.Create(ctx, admin, gen.HTTPRoute(existing, gen.InNamespace(namespace), gen.WithParentRefs(gwapiv1.ParentReference{Name: existing}))))
	binding := gen.SignatureBinding(existing, existing, gen.InNamespace(namespace), gen.WithAPIs(existing))
	binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, existing))
	env.ExpectReady(ctx, admin, env.Create(ctx, admin, binding), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
}

// inventory is all of the namespace's objects that Signet deals with, as they
// are, and the Events about them.
func inventory(ctx context.Context, namespace string) string {
	GinkgoHelper()
	var all []string
	for _, list := range []client.ObjectList{
		&signetv1alpha1.SignatureKeyList{}, &signetv1alpha1.SignatureBindingList{}, &corev1.SecretList{},
		&corev1.ConfigMapList{}, &gwapiv1.HTTPRouteList{}, &gwapiv1.GatewayList{}, &corev1.EventList{},
	} {
		Expect(admin.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
		list.SetResourceVersion("") // of the list: the cluster's own
		text, err := json.Marshal(list)
		Expect(err).NotTo(HaveOccurred())
		all = append(all, string(text))
	}
	return strings.Join(all, "\n")
}

var _ = Describe("a tenant", Ordered, func() {
	var own, other, before string

	BeforeAll(func(ctx SpecContext) {
		own, other = env.NewNamespace(ctx, admin), env.NewNamespace(ctx, admin)
		furnish(ctx, other)
		grant(ctx, own, "edit", tenant)
		env.Create(ctx, admin, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: "clerk-views"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "signet-view"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: clerk}},
		})
		grant(ctx, own, "signet-edit", clerk)
		before = inventory(ctx, other)
	})

	AfterAll(func(ctx SpecContext) {
		Expect(inventory(ctx, other)).To(Equal(before), "the objects in the other namespace")
	})

	// Version IDs are random and reveal nothing.
	versionID := regexp.MustCompile(`[0-9a-f]{32}`)

	// sameAnswer fails if the responses reveal whether a name exists.
	sameAnswer := func(ctx context.Context, who string, try probe) []string {
		GinkgoHelper()
		var answers [2][]string
		for i, name := range []string{existing, missing} {
			for _, line := range try(ctx, newUser(who), own, other, name) {
				answers[i] = append(answers[i], versionID.ReplaceAllString(strings.ReplaceAll(line, name, "NAME"), "ID"))
			}
		}
		Expect(answers[0]).NotTo(BeEmpty())
		Expect(answers[0]).To(Equal(answers[1]), "responses for an object that exists in the other namespace, and for one that does not")
		return answers[0]
	}

	for _, who := range []string{tenant, clerk} {
		for _, field := range slices.Sorted(maps.Keys(references)) {
			It("reaches nothing through "+field+" as "+who, func(ctx SpecContext) {
				for _, spell := range spellings {
					sameAnswer(ctx, who, func(ctx context.Context, u *user, own, other, name string) []string {
						return outcomes(ctx, u, references[field](own, spell(other, name)))
					})
				}
			})
		}
		for _, name := range slices.Sorted(maps.Keys(directProbes)) {
			It("reaches nothing when "+who+" "+name, func(ctx SpecContext) { sameAnswer(ctx, who, directProbes[name]) })
		}
		It("writes no status and no finalizers as "+who, func(ctx SpecContext) { writesNoStatus(ctx, newUser(who), own) })
	}
	for _, name := range slices.Sorted(maps.Keys(secretProbes)) {
		It("reaches nothing through "+name, func(ctx SpecContext) { sameAnswer(ctx, tenant, secretProbes[name]) })
	}

	// The named exception: the label of a Gateway is read, once that has accepted
	// the route.
	It("learns the environment of a Gateway in another namespace that has accepted a route", func(ctx SpecContext) {
		key := env.Create(ctx, admin, gen.SignatureKey("published", gen.InNamespace(own)))
		accept(ctx, env.Create(ctx, admin, gen.HTTPRoute("published", gen.InNamespace(own), gen.WithParentRefs(gwapiv1.ParentReference{Namespace: ptr.To(gwapiv1.Namespace(other)), Name: existing}))))
		binding := gen.SignatureBinding("published", key.Name, gen.InNamespace(own), gen.WithHTTPRoutes("published"))
		env.ExpectReady(ctx, admin, env.Create(ctx, admin, binding), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	})

	It("reaches nothing by the UID of an owner in another namespace", func(ctx SpecContext) {
		u := newUser(tenant)
		victim := env.Reload(Default, ctx, admin, gen.SignatureKey(existing, gen.InNamespace(other)))
		for name, uid := range map[string]types.UID{"owned": victim.UID, "unowned": "00000000-0000-4000-8000-000000000000"} {
			key := gen.SignatureKey(name, gen.InNamespace(own))
			for _, object := range []client.Object{gen.SourceSecret(name+"-source", nil, gen.InNamespace(own)), gen.SignatureBinding(name, name, gen.InNamespace(own), gen.WithAPIs(name)), key} {
				object.SetOwnerReferences([]metav1.OwnerReference{{
					APIVersion: signetv1alpha1.GroupVersion.String(), Kind: "SignatureKey", Name: victim.Name, UID: uid, Controller: ptr.To(true),
				}})
				_, err := u.ask(func() error { return u.Create(ctx, object) })
				Expect(err).NotTo(HaveOccurred())
			}
			// Signet serves the key until the garbage collector finds that there
			// is no such owner in this namespace.
			Eventually(func(g Gomega) {
				err := admin.Get(ctx, client.ObjectKeyFromObject(key), key)
				g.Expect(client.IgnoreNotFound(err)).To(Succeed())
				g.Expect(err != nil || key.Status.ObservedGeneration == key.Generation).To(BeTrue())
			}).Should(Succeed())
		}
	})

	It("cannot distinguish an unlabeled Secret from a missing one without the role edit", func(ctx SpecContext) {
		plain := env.Create(ctx, admin, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: own, Name: existing}, StringData: map[string]string{"secret": victimSecret},
		})
		answer := sameAnswer(ctx, clerk, func(ctx context.Context, u *user, own, _, name string) []string {
			return outcomes(ctx, u, gen.SignatureKey("mine", gen.InNamespace(own), gen.WithSource(name)))
		})
		Expect(answer).To(ContainElement(`Ready Unknown SourceNotFound: Secret "NAME" does not exist or lacks the label signet.dev/signature-material: "true". Create or label it.`))

		By("and cannot make Signet write to it")
		taken := gen.SignatureKey("mine", gen.InNamespace(own))
		taken.Spec.Target.Name = existing
		Expect(strings.Join(outcomes(ctx, newUser(clerk), taken), "\n")).To(ContainSubstring("SecretOwnedByOther"))
		Expect(env.Reload(Default, ctx, admin, plain)).To(Equal(plain))
		Expect(admin.Delete(ctx, plain)).To(Succeed())
	})
})

// writesNoStatus tries to forge the holder of an API and the protection of a key.
func writesNoStatus(ctx context.Context, u *user, own string) {
	GinkgoHelper()
	since := metav1.Now()
	forged := signetv1alpha1.SignatureBindingStatus{KeyName: "forged", Environment: "RELEASE", APIs: []signetv1alpha1.APIStatus{{
		Kind: signetv1alpha1.APIKindAPI, Name: "forged", State: signetv1alpha1.APIBound, BoundAt: &since,
	}}}
	binding := gen.SignatureBinding("forger", "missing", gen.InNamespace(own), gen.WithAPIs("forged"))
	binding.Status = forged
	Expect(u.Create(ctx, binding)).To(Succeed())
	env.ExpectReady(ctx, admin, binding, metav1.ConditionUnknown, signetv1alpha1.ReasonKeyNotFound)
	Eventually(func(g Gomega) {
		binding = env.Reload(g, ctx, admin, binding)
		binding.Status = forged
		g.Expect(u.Update(ctx, binding)).To(Succeed())
	}).Should(Succeed())
	Expect(env.Reload(Default, ctx, admin, binding).Status.KeyName).NotTo(Equal("forged"))

	key := env.Create(ctx, admin, gen.SignatureKey("forger", gen.InNamespace(own)))
	for _, object := range []client.Object{key, binding} {
		Expect(apierrors.IsForbidden(u.Status().Update(ctx, object))).To(BeTrue())
		Expect(apierrors.IsForbidden(u.Status().Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"status":{}}`))))).To(BeTrue())
		Expect(apierrors.IsForbidden(u.SubResource("finalizers").Update(ctx, object))).To(BeTrue())
		Expect(u.Delete(ctx, object)).To(Succeed())
		Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, object) }).Should(Succeed())
	}
	parameters := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: env.SystemNamespace, Name: "signet-policy-parameters"}}
	Expect(apierrors.IsForbidden(u.Patch(ctx, parameters, client.RawPatch(types.MergePatchType, []byte(`{"data":{"users":"x"}}`))))).To(BeTrue())
}
