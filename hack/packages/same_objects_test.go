package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const deployment = "Deployment/" + systemNamespace + "/signet-controller-manager"

func TestInstallManifestIsTheDefaultKustomization(t *testing.T) {
	g := NewWithT(t)
	dist := t.TempDir()
	manifest := exec.Command("make", "install-manifest", "DIST="+dist, "KUBECTL="+plane.Kubectl)
	manifest.Dir = root
	output, err := manifest.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	text, err := os.ReadFile(filepath.Join(dist, "install.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmp.Diff(kustomized(t, "default"), decode(t, text))).To(BeEmpty())
}

func TestChartIsTheDefaultKustomization(t *testing.T) {
	g := NewWithT(t)
	want, got := kustomized(t, "default"), objects(t, "")
	withoutHelm(g, got)
	withoutNamespace(g, want)
	onOneLine(want, got)
	g.Expect(cmp.Diff(want, got)).To(BeEmpty())
}

func TestChartIsTheNamespacedKustomization(t *testing.T) {
	g := NewWithT(t)
	want := kustomized(t, "namespaced", "namespaced/cluster")
	got := objects(t, "namespaces: [team-a, team-b]\ngatewayNamespaces: [gateways]")
	withoutHelm(g, got)
	withoutNamespace(g, want)
	onOneLine(want, got)
	inlineNamespaces(g, want)
	g.Expect(cmp.Diff(want, got)).To(BeEmpty())
}

// withoutHelm takes away what Helm's objects have beyond the kustomization's:
// two labels, and on CRDs the annotation that keeps them.
func withoutHelm(g *WithT, objects map[string]*unstructured.Unstructured) {
	g.THelper()
	for identity, object := range objects {
		labels := object.GetLabels()
		g.Expect(labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "Helm"), identity)
		g.Expect(labels).To(HaveKeyWithValue("helm.sh/chart", HavePrefix("signet-")), identity)
		delete(labels, "app.kubernetes.io/managed-by")
		delete(labels, "helm.sh/chart")
		object.SetLabels(labels)
		if object.GetKind() == "CustomResourceDefinition" {
			annotations := object.GetAnnotations()
			g.Expect(annotations).To(HaveKeyWithValue("helm.sh/resource-policy", "keep"), identity)
			delete(annotations, "helm.sh/resource-policy")
			object.SetAnnotations(annotations)
		}
	}
}

// withoutNamespace takes away the namespace that the kustomization brings: that
// of a release is Helm's own business.
func withoutNamespace(g *WithT, objects map[string]*unstructured.Unstructured) {
	g.THelper()
	g.Expect(objects).To(HaveKey("Namespace//" + systemNamespace))
	delete(objects, "Namespace//"+systemNamespace)
}

// onOneLine joins the lines of the policies' CEL expressions: kustomize doubles
// some line breaks of folded YAML, which mean nothing in CEL.
func onOneLine(renderings ...map[string]*unstructured.Unstructured) {
	for _, objects := range renderings {
		for _, object := range objects {
			if object.GetKind() != "ValidatingAdmissionPolicy" {
				continue
			}
			validations, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "validations")
			for _, validation := range validations.([]any) {
				fields := validation.(map[string]any)
				fields["expression"] = strings.Join(strings.Fields(fields["expression"].(string)), " ")
			}
		}
	}
}

// inlineNamespaces puts the lists of namespaces, which the kustomization has in
// a ConfigMap, into the manager's flags, where the chart has them.
func inlineNamespaces(g *WithT, objects map[string]*unstructured.Unstructured) {
	g.THelper()
	var lists map[string]string
	for identity, object := range objects {
		if strings.HasPrefix(identity, "ConfigMap/"+systemNamespace+"/signet-namespaces-") {
			lists, _, _ = unstructured.NestedStringMap(object.Object, "data")
			delete(objects, identity)
		}
	}
	g.Expect(lists).To(HaveLen(2))
	manager := container(g, objects[deployment])
	delete(manager, "env")
	flags := manager["args"].([]any)
	for i, flag := range flags {
		flags[i] = strings.NewReplacer("$(NAMESPACES)", lists["namespaces"],
			"$(GATEWAY_NAMESPACES)", lists["gateway-namespaces"]).Replace(flag.(string))
	}
}

// container is the Deployment's only one.
func container(g *WithT, deployment *unstructured.Unstructured) map[string]any {
	g.THelper()
	template := deployment.Object["spec"].(map[string]any)["template"].(map[string]any)
	containers := template["spec"].(map[string]any)["containers"].([]any)
	g.Expect(containers).To(HaveLen(1))
	return containers[0].(map[string]any)
}

// TestADifferenceIsSeen proves that the comparison above can fail: each value
// that has an effect makes the chart another than the kustomization.
func TestADifferenceIsSeen(t *testing.T) {
	for _, values := range []string{
		"replicas: 3", "publicKeyEnable: true", "image: {tag: v9}", "crds: {enabled: false}",
		"podDisruptionBudget: {enabled: false}", "networkPolicy: {enabled: true}", "policy: {users: [restorer]}",
		"resources: {limits: {memory: 1Gi}}", "namespaces: [team-a]",
	} {
		t.Run(values, func(t *testing.T) {
			g := NewWithT(t)
			want, got := kustomized(t, "default"), objects(t, values)
			withoutHelm(g, got)
			withoutNamespace(g, want)
			g.Expect(cmp.Diff(want, got)).NotTo(BeEmpty())
		})
	}
}
