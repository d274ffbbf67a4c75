// SPDX-License-Identifier: Apache-2.0

package install

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const signerUser = "system:serviceaccount:signet-system:signet-signer"

func TestSigner(t *testing.T) {
	g := NewWithT(t)
	admin, err := client.New(cluster.Config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	apply(g, "--server-side", "-k", filepath.Join(config, "crd"))
	apply(g, "--server-side", "-k", filepath.Join(config, "namespace"))
	for _, name := range []string{"team-a", "team-b"} {
		err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		g.Expect(client.IgnoreAlreadyExists(err)).To(Succeed())
	}
	apply(g, "--server-side", "-k", filepath.Join(config, "signer", "namespaced"))
	t.Run("its rights in its namespaces", func(t *testing.T) { grantsSigner(t, admin, false) })
	apply(g, "--server-side", "-k", filepath.Join(config, "signer"))
	t.Run("its rights in the cluster", func(t *testing.T) { grantsSigner(t, admin, true) })
	t.Run("restricted Pods", func(t *testing.T) { admitsSignerPods(t, admin) })
}

// grantsSigner checks every verb on kinds that the signer could misuse: it may read
// three kinds, and do nothing else.
func grantsSigner(t *testing.T, admin client.Client, everywhere bool) {
	g := NewWithT(t)
	kinds := map[string]bool{
		"signaturekeys.signet.dev": true, "signaturebindings.signet.dev": true, "secrets": true,
		"signaturekeys/status.signet.dev": false, "signaturebindings/status.signet.dev": false, "configmaps": false, "pods": false,
		"leases.coordination.k8s.io": false, "events": false, "httproutes.gateway.networking.k8s.io": false, "roles.rbac.authorization.k8s.io": false,
		"validatingwebhookconfigurations.admissionregistration.k8s.io": false,
	}
	for kind, followed := range kinds {
		for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
			for _, namespace := range []string{"team-a", "default", ""} {
				want := followed && (verb == "list" || verb == "watch") && (everywhere || namespace == "team-a")
				g.Expect(allowed(t, admin, verb, kind, namespace)).To(Equal(want), "%s %s in %q", verb, kind, namespace)
			}
		}
	}
}

func allowed(t *testing.T, admin client.Client, verb, kind, namespace string) bool {
	t.Helper()
	resource, group, _ := strings.Cut(kind, ".")
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: signerUser, Groups: []string{"system:serviceaccounts", "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: group, Resource: resource, Subresource: subresource, Namespace: namespace,
		},
	}}
	NewWithT(t).Expect(admin.Create(t.Context(), review)).To(Succeed())
	return review.Status.Allowed
}

func admitsSignerPods(t *testing.T, admin client.Client) {
	g := NewWithT(t)
	deployment := &appsv1.Deployment{}
	name := client.ObjectKey{Namespace: "signet-system", Name: "signet-signer"}
	g.Expect(admin.Get(t.Context(), name, deployment)).To(Succeed())
	template := deployment.Spec.Template
	account := &corev1.ServiceAccount{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: name.Namespace, Name: template.Spec.ServiceAccountName}, account)).To(Succeed())
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "signer", Namespace: name.Namespace, Labels: template.Labels}, Spec: template.Spec}
	g.Expect(admin.Create(t.Context(), pod, client.DryRunAll)).To(Succeed())

	pod.Spec.Containers[0].SecurityContext.Capabilities = nil
	pod.ResourceVersion, pod.UID = "", ""
	g.Expect(apierrors.IsForbidden(admin.Create(t.Context(), pod, client.DryRunAll))).To(BeTrue())
}

func TestSignerHasTheSameRulesUnderRolesAlone(t *testing.T) {
	g := NewWithT(t)
	wide, narrow := rules(t, "signer"), rules(t, "signer", "namespaced")
	g.Expect(wide).To(HaveLen(1))
	g.Expect(narrow).To(HaveLen(2))
	for _, namespace := range []string{"team-a", "team-b"} {
		g.Expect(narrow["Role/"+namespace+"/signet-signer"]).To(Equal(wide["ClusterRole//signet-signer"]))
	}
}

// cert-manager's kinds do not exist in the cluster. The test checks that its
// certificates are the ones that the Deployment mounts, and that the certificates
// of callers come from signet-system alone, since the requester chooses the URI.
func TestSignerWithCertManager(t *testing.T) {
	g := NewWithT(t)
	objects, err := cluster.Render(t.Context(), filepath.Join(config, "signer", "certmanager"))
	g.Expect(err).NotTo(HaveOccurred())
	mounted, issued := "", map[string]bool{}
	for _, object := range objects {
		switch object.GetKind() {
		case "Deployment":
			deployment := &appsv1.Deployment{}
			g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment)).To(Succeed())
			mounted = deployment.Spec.Template.Spec.Volumes[0].Secret.SecretName
		case "Certificate":
			name, _, err := unstructured.NestedString(object.Object, "spec", "secretName")
			g.Expect(err).NotTo(HaveOccurred())
			issued[name] = true
		}
		g.Expect(object.GetKind()).NotTo(Equal("ClusterIssuer"))
		if strings.HasPrefix(object.GetAPIVersion(), "cert-manager.io/") {
			g.Expect(object.GetNamespace()).To(Equal("signet-system"), object.GetName())
		}
	}
	g.Expect(issued).To(HaveKey(mounted))
}

// The ports of Services and NetworkPolicies are names of the Pod's, and no
// policy opens an endpoint of gateways and that of backends at once.
func TestSignerPortsFit(t *testing.T) {
	g := NewWithT(t)
	objects, err := cluster.Render(t.Context(), filepath.Join(config, "signer"))
	g.Expect(err).NotTo(HaveOccurred())
	ports, used := map[string]bool{}, map[string][]string{}
	for _, object := range objects {
		convert := func(into any) {
			g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into)).To(Succeed())
		}
		switch object.GetKind() {
		case "Deployment":
			deployment := &appsv1.Deployment{}
			convert(deployment)
			for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
				ports[port.Name] = true
			}
		case "Service":
			service := &corev1.Service{}
			convert(service)
			for _, port := range service.Spec.Ports {
				used[service.Name+" service"] = append(used[service.Name+" service"], port.TargetPort.String())
			}
		case "NetworkPolicy":
			policy := &networkingv1.NetworkPolicy{}
			convert(policy)
			for _, port := range policy.Spec.Ingress[0].Ports {
				used[policy.Name] = append(used[policy.Name], port.Port.String())
			}
		}
	}
	g.Expect(used).To(Equal(map[string][]string{
		"signet-signer service":        {"sign", "envoy", "ext-authz"},
		"signet-signer-verify service": {"verify"},
		"signet-signer-sign":           {"sign", "envoy", "ext-authz"},
		"signet-signer-verify":         {"verify"},
		"signet-signer-monitoring":     {"metrics"},
	}))
	for name, names := range used {
		for _, port := range names {
			g.Expect(ports).To(HaveKey(port), name)
		}
	}
}
