// SPDX-License-Identifier: Apache-2.0

package install

import (
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	webhookConfiguration = "ValidatingWebhookConfiguration//signet"
	managerDeployment    = "Deployment/signet-system/signet-controller-manager"
	servingCertificate   = "Certificate/signet-system/signet-webhook"
)

// rendered are the objects of a kustomization, by kind, namespace and name.
func rendered(t *testing.T, kustomization string) map[string]*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	objects, err := cluster.Render(t.Context(), filepath.Join(config, kustomization))
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		found[identify(object)] = object
	}
	return found
}

// field is the value at a path of an object.
func field(g *WithT, object *unstructured.Unstructured, path ...string) any {
	g.THelper()
	g.Expect(object).NotTo(BeNil())
	value, there, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(there).To(BeTrue(), "%s has no %v", identify(object), path)
	return value
}

func TestCertManagerIssuesTheServingCertificate(t *testing.T) {
	g := NewWithT(t)
	objects := rendered(t, "certmanager")

	// The API server's side.
	configuration, certificate := objects[webhookConfiguration], objects[servingCertificate]
	g.Expect(configuration.GetAnnotations()).To(HaveKeyWithValue("cert-manager.io/inject-ca-from", "signet-system/signet-webhook"))
	webhooks, ok := field(g, configuration, "webhooks").([]any)
	g.Expect(ok).To(BeTrue())
	for _, webhook := range webhooks {
		client := &unstructured.Unstructured{Object: webhook.(map[string]any)}
		host := field(g, client, "clientConfig", "service", "name").(string) + "." + field(g, client, "clientConfig", "service", "namespace").(string) + ".svc"
		g.Expect(field(g, certificate, "spec", "dnsNames")).To(ContainElement(host))
		_, given, _ := unstructured.NestedString(client.Object, "clientConfig", "caBundle")
		g.Expect(given).To(BeFalse(), "a bundle in the file would fight with cert-manager's")
	}

	// The issuers' side: an authority that signs itself, and what it signs.
	signs := func(object *unstructured.Unstructured) *unstructured.Unstructured {
		return objects[field(g, object, "spec", "issuerRef", "kind").(string)+"/signet-system/"+field(g, object, "spec", "issuerRef", "name").(string)]
	}
	ca := objects["Certificate/signet-system/signet-webhook-authority"]
	g.Expect(field(g, signs(certificate), "spec", "ca", "secretName")).To(Equal(field(g, ca, "spec", "secretName")))
	g.Expect(field(g, ca, "spec", "isCA")).To(BeTrue())
	g.Expect(field(g, signs(ca), "spec")).To(HaveKey("selfSigned"))
	g.Expect(field(g, ca, "spec", "secretName")).NotTo(Equal("signet-webhook-ca"), "the Secret of Signet's own authority")

	// The manager's side.
	deployment := &appsv1.Deployment{}
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(objects[managerDeployment].Object, deployment)).To(Succeed())
	pod := deployment.Spec.Template.Spec
	g.Expect(pod.Containers[0].Args).To(ContainElement("--webhook-cert-dir=" + pod.Containers[0].VolumeMounts[0].MountPath))
	g.Expect(pod.Volumes[0].Name).To(Equal(pod.Containers[0].VolumeMounts[0].Name))
	g.Expect(pod.Volumes[0].Secret.SecretName).To(Equal(field(g, certificate, "spec", "secretName")))
}

// What else is installed is what config/default installs.
func TestCertManagerOverlayChangesNothingElse(t *testing.T) {
	g := NewWithT(t)
	plain, overlay := rendered(t, "default"), rendered(t, "certmanager")
	for name, object := range plain {
		g.Expect(overlay).To(HaveKey(name))
		patched := slices.Contains([]string{webhookConfiguration, managerDeployment}, name)
		g.Expect(equality.Semantic.DeepEqual(object, overlay[name])).To(Equal(!patched), name)
		delete(overlay, name)
	}
	for name, object := range overlay {
		g.Expect(object.GroupVersionKind().Group).To(Equal("cert-manager.io"), name)
		g.Expect(object.GetNamespace()).To(Equal("signet-system"), name)
	}
	g.Expect(overlay).To(HaveLen(4))
}
