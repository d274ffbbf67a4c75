// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const managerUser = "system:serviceaccount:signet-system:signet-controller-manager"

// cluster is the control plane that the tests share, with the kinds of the Gateway
// API on it, and config the folder under test.
var (
	cluster *env.Cluster
	config  string
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if cluster, err = env.Start(context.Background(), env.Options{GatewayAPI: true}); err != nil {
		return fail(err)
	}
	defer cluster.Stop()
	config = filepath.Join(cluster.Root, "config")
	return m.Run()
}

func fail(reasons ...any) int {
	for _, reason := range reasons {
		switch text := reason.(type) {
		case error:
			_, _ = os.Stderr.WriteString(text.Error() + "\n")
		case string:
			_, _ = os.Stderr.WriteString(text)
		}
	}
	return 1
}

func kubectl(args ...string) (string, error) { return cluster.Run(context.Background(), args...) }

// apply runs the command of config/README.md twice; the second run must change
// nothing.
func apply(g *WithT, args ...string) {
	g.THelper()
	for range 2 {
		g.Eventually(func(g Gomega) {
			output, err := kubectl(append([]string{"apply"}, args...)...)
			g.Expect(err).NotTo(HaveOccurred(), output)
		}, proc.Soon, proc.Poll).Should(Succeed())
	}
}

func TestDocumentedCommands(t *testing.T) {
	admin := cluster.Admin
	for _, name := range []string{"team-a", "team-b", "gateways"} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		NewWithT(t).Expect(admin.Create(t.Context(), namespace)).To(Succeed())
	}
	apply(NewWithT(t), "--server-side", "-k", filepath.Join(config, "namespaced", "cluster"))
	apply(NewWithT(t), "--server-side", "-k", filepath.Join(config, "namespaced"))
	t.Run("the manager's rights in its namespaces", func(t *testing.T) { grantsManager(t, admin, false) })

	apply(NewWithT(t), "--server-side", "-k", filepath.Join(config, "default"))
	t.Run("another tool may go on", func(t *testing.T) { letsAnotherToolGoOn(NewWithT(t)) })
	t.Run("the manager's rights in the cluster", func(t *testing.T) { grantsManager(t, admin, true) })
	t.Run("restricted Pods", func(t *testing.T) { admitsRestrictedPods(t, admin) })
	t.Run("samples", func(t *testing.T) { acceptsSamples(NewWithT(t)) })
}

// letsAnotherToolGoOn applies the same as another field manager. With what the API
// server fills in or drops, a field is no longer what was applied, and a conflict.
func letsAnotherToolGoOn(g *WithT) {
	args := []string{"--server-side", "--field-manager=another", "-k", filepath.Join(config, "default")}
	server, err := cluster.Version()
	g.Expect(err).NotTo(HaveOccurred())
	if server.LessThan(env.SelectableFieldsNeed) {
		_, err := kubectl(append([]string{"apply"}, args...)...)
		g.Expect(err).To(MatchError(ContainSubstring(`Apply failed with 1 conflict: conflict with "kubectl": .spec.versions`)))
		return
	}
	apply(g, args...)
}

// acceptsSamples applies them without a manager: the webhooks would refuse.
func acceptsSamples(g *WithT) {
	output, err := kubectl("delete", "validatingwebhookconfiguration", "signet")
	g.Expect(err).NotTo(HaveOccurred(), output)
	apply(g, "-k", filepath.Join(config, "samples"))
	apply(g, "-k", filepath.Join(config, "samples", "publickey"))
}

// admitsRestrictedPods creates the Deployment's Pod in a namespace that enforces
// the restricted profile.
func admitsRestrictedPods(t *testing.T, admin client.Client) {
	g := NewWithT(t)
	deployment := &appsv1.Deployment{}
	name := client.ObjectKey{Namespace: "signet-system", Name: "signet-controller-manager"}
	g.Expect(admin.Get(t.Context(), name, deployment)).To(Succeed())
	template := deployment.Spec.Template
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "manager", Namespace: name.Namespace, Labels: template.Labels},
		Spec:       template.Spec,
	}
	g.Expect(admin.Create(t.Context(), pod, client.DryRunAll)).To(Succeed())

	root := int64(0)
	pod.Spec.SecurityContext.RunAsUser = &root
	pod.ResourceVersion, pod.UID = "", ""
	g.Expect(admin.Create(t.Context(), pod, client.DryRunAll)).To(MatchError(ContainSubstring("restricted")))
}

// grantsManager checks on the API server what the manager may do: in the namespaces
// of config/namespaced, and elsewhere only if it is installed for the cluster.
func grantsManager(t *testing.T, admin client.Client, everywhere bool) {
	const (
		keys, webhooks = "signaturekeys.signet.dev", "validatingwebhookconfigurations.admissionregistration.k8s.io"
		bindings       = "signaturebindings.signet.dev"
		leases         = "leases.coordination.k8s.io"
		routes         = "httproutes.gateway.networking.k8s.io"
		gateways       = "gateways.gateway.networking.k8s.io"
	)
	cases := map[string]struct {
		verb, resource, subresource, namespace, name string
		allowed                                      bool
	}{
		"reads Secrets":                    {verb: "list", resource: "secrets", namespace: "team-a", allowed: true},
		"reads Secrets elsewhere":          {verb: "list", resource: "secrets", namespace: "default", allowed: everywhere},
		"reads Secrets of all namespaces":  {verb: "list", resource: "secrets", allowed: everywhere},
		"reads Secrets next to Gateways":   {verb: "list", resource: "secrets", namespace: "gateways", allowed: everywhere},
		"reads Gateways":                   {verb: "watch", resource: gateways, namespace: "gateways", allowed: true},
		"reads routes elsewhere":           {verb: "watch", resource: routes, namespace: "gateways", allowed: everywhere},
		"deletes no Secret":                {verb: "delete", resource: "secrets", namespace: "team-a"},
		"writes keys":                      {verb: "patch", resource: keys, namespace: "team-a", allowed: true},
		"deletes no key":                   {verb: "delete", resource: keys, namespace: "team-a"},
		"writes the status of bindings":    {verb: "update", resource: bindings, subresource: "status", namespace: "team-a", allowed: true},
		"writes no binding":                {verb: "patch", resource: bindings, namespace: "team-a"},
		"writes no route":                  {verb: "update", resource: routes, namespace: "team-a"},
		"reads its namespaces":             {verb: "get", resource: "namespaces", namespace: "team-a", name: "team-a", allowed: true},
		"writes its webhook configuration": {verb: "patch", resource: webhooks, name: "signet", allowed: true},
		"writes no other's":                {verb: "patch", resource: webhooks, name: "other"},
		"takes its lease":                  {verb: "update", resource: leases, namespace: "signet-system", name: "signet-controller-manager", allowed: true},
		"takes no other lease":             {verb: "update", resource: leases, namespace: "kube-system", name: "kube-scheduler"},
		"deletes no ConfigMap":             {verb: "delete", resource: "configmaps", namespace: "team-a"},
		"replaces no ConfigMap":            {verb: "update", resource: "configmaps", namespace: "team-a"},
		"replaces no Secret":               {verb: "update", resource: "secrets", namespace: "team-a"},
		"replaces no key":                  {verb: "update", resource: keys, namespace: "team-a"},
		"replaces no status of a key":      {verb: "update", resource: keys, subresource: "status", namespace: "team-a"},
		"reads no route by name":           {verb: "get", resource: routes, namespace: "team-a"},
		"keeps its own RoleBinding":        {verb: "patch", resource: "rolebindings.rbac.authorization.k8s.io", namespace: "team-a", name: "signet-controller-manager", allowed: true},
		"writes no other RoleBinding":      {verb: "patch", resource: "rolebindings.rbac.authorization.k8s.io", namespace: "team-a", name: "other"},
		"grants nothing":                   {verb: "create", resource: "rolebindings.rbac.authorization.k8s.io", namespace: "team-a"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			resource, group, _ := strings.Cut(tc.resource, ".")
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: managerUser, Groups: []string{"system:serviceaccounts", "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: tc.verb, Group: group, Resource: resource, Subresource: tc.subresource,
					Namespace: tc.namespace, Name: tc.name,
				},
			}}
			g := NewWithT(t)
			g.Expect(admin.Create(t.Context(), review)).To(Succeed())
			g.Expect(review.Status.Allowed).To(Equal(tc.allowed), review.Status.Reason)
		})
	}
}

// rules are those of each role of a kustomization, by kind, namespace and name.
func rules(t *testing.T, kustomization ...string) map[string][]rbacv1.PolicyRule {
	t.Helper()
	g := NewWithT(t)
	objects, err := cluster.Render(t.Context(), filepath.Join(append([]string{config}, kustomization...)...))
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string][]rbacv1.PolicyRule{}
	for _, object := range objects {
		if kind := object.GetKind(); kind != "Role" && kind != "ClusterRole" {
			continue
		}
		role := &rbacv1.ClusterRole{}
		g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role)).To(Succeed())
		found[identify(object)] = role.Rules
	}
	return found
}

func identify(object *unstructured.Unstructured) string {
	return strings.Join([]string{object.GetKind(), object.GetNamespace(), object.GetName()}, "/")
}

func TestUsersRolesGiveNoAuthority(t *testing.T) {
	g := NewWithT(t)
	roles := rules(t, "rbac", "users")
	g.Expect(roles).To(HaveLen(2))
	for name, granted := range roles {
		for _, rule := range granted {
			g.Expect(rule.APIGroups).To(ConsistOf("signet.dev"), name)
			g.Expect(rule.Resources).To(ConsistOf("signaturekeys", "signaturebindings"), name)
			g.Expect(rule.Verbs).NotTo(ContainElement("*"), name)
		}
	}
}

func TestNoRoleHasWildcards(t *testing.T) {
	g := NewWithT(t)
	for name, granted := range rules(t, "rbac") {
		for _, rule := range granted {
			all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs)
			g.Expect(all).NotTo(ContainElement(ContainSubstring("*")), name)
			g.Expect(rule.Verbs).NotTo(ContainElements("escalate", "bind", "impersonate"), name)
		}
	}
}

func TestNamespacedHasTheSameRulesInItsNamespacesAlone(t *testing.T) {
	g := NewWithT(t)
	wide, narrow := rules(t, "rbac"), rules(t, "namespaced")
	for name := range narrow {
		g.Expect(name).To(HavePrefix("Role/"))
	}
	// A Role would be deleted with its namespace before Signet can leave it.
	g.Expect(rules(t, "namespaced", "cluster")).To(HaveKeyWithValue("ClusterRole//signet-controller-manager", wide["ClusterRole//signet-controller-manager"]))
	for _, namespace := range []string{"team-a", "team-b"} {
		g.Expect(narrow).NotTo(HaveKey("Role/" + namespace + "/signet-controller-manager"))
	}
	for _, namespace := range []string{"team-a", "team-b", "gateways"} {
		g.Expect(narrow["Role/"+namespace+"/signet-gateway-reader"]).To(Equal(wide["ClusterRole//signet-gateway-reader"]))
	}
	g.Expect(narrow).NotTo(HaveKey("Role/gateways/signet-controller-manager"))
	g.Expect(narrow["Role/signet-system/signet-controller-manager"]).To(Equal(wide["Role/signet-system/signet-controller-manager"]))
}
