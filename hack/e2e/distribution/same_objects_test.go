// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	deployment       = "Deployment/" + systemNamespace + "/signet-controller-manager"
	signerDeployment = "Deployment/" + systemNamespace + "/signet-signer"
)

func TestInstallManifestsAreTheKustomizations(t *testing.T) {
	g := NewWithT(t)
	dist := t.TempDir()
	manifest := exec.CommandContext(t.Context(), "make", "install-manifest", "DIST="+dist, "KUBECTL="+cluster.Kubectl)
	manifest.Dir = root
	output, err := manifest.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	for file, folder := range map[string]string{"install.yaml": "default", "signer.yaml": "signer"} {
		text, err := os.ReadFile(filepath.Join(dist, file))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(cmp.Diff(kustomized(t, folder), decode(t, text))).To(BeEmpty(), file)
	}
}

// TestChartIsTheKustomizations compares field by field. All that may differ is
// removed by the functions called here, each of which documents the reason.
func TestChartIsTheKustomizations(t *testing.T) {
	const namespaces = "namespaces: [team-a, team-b]\n"
	cases := map[string]struct {
		values  string
		folders []string
	}{
		"manager":                {"", []string{"default"}},
		"manager and signer":     {"signer: {enabled: true}", []string{"default", "signer"}},
		"manager for namespaces": {namespaces + "gatewayNamespaces: [gateways]", []string{"namespaced", "namespaced/cluster"}},
		"both for namespaces": {
			namespaces + "gatewayNamespaces: [gateways]\nsigner: {enabled: true}",
			[]string{"namespaced", "namespaced/cluster", "signer/namespaced"},
		},
		"network policies": {
			"networkPolicy: {enabled: true}\nsigner: {enabled: true}",
			[]string{"default", "manager/network_policy", "signer"},
		},
		"monitors": {
			"metrics: {podMonitor: {enabled: true}}\nsigner: {enabled: true}",
			[]string{"default", "signer", "prometheus"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			want, got := kustomized(t, tc.folders...), objects(t, tc.values)
			withoutHelm(g, got)
			withoutNamespace(g, want)
			withoutAlerts(want)
			onOneLine(want, got)
			inlineNamespaces(g, want)
			g.Expect(slices.Sorted(maps.Keys(got))).To(Equal(slices.Sorted(maps.Keys(want))))
			for identity := range want {
				g.Expect(cmp.Diff(want[identity], got[identity])).To(BeEmpty(), identity)
			}
		})
	}
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

// withoutAlerts removes what the chart does not contain: users load the alerts into
// their own Prometheus in its own way.
func withoutAlerts(objects map[string]*unstructured.Unstructured) {
	delete(objects, "PrometheusRule/"+systemNamespace+"/signet")
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

// inlineNamespaces puts the lists of namespaces, which the kustomizations have
// in ConfigMaps, into the flags, where the chart has them.
func inlineNamespaces(g *WithT, objects map[string]*unstructured.Unstructured) {
	g.THelper()
	lists := map[string]string{}
	for identity, object := range objects {
		if data, _, _ := unstructured.NestedStringMap(object.Object, "data"); data["namespaces"] != "" {
			lists["$(NAMESPACES)"] = data["namespaces"]
			if gateways := data["gateway-namespaces"]; gateways != "" {
				lists["$(GATEWAY_NAMESPACES)"] = gateways
			}
			delete(objects, identity)
		}
	}
	for _, object := range objects {
		if object.GetKind() != "Deployment" || len(lists) == 0 {
			continue
		}
		program := container(g, object)
		variables, _ := program["env"].([]any)
		program["env"] = slices.DeleteFunc(variables, func(variable any) bool {
			_, inlined := lists["$("+variable.(map[string]any)["name"].(string)+")"]
			return inlined
		})
		flags := program["args"].([]any)
		for i, flag := range flags {
			for reference, list := range lists {
				flag = strings.ReplaceAll(flag.(string), reference, list)
			}
			flags[i] = flag
		}
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
		"podDisruptionBudget: {enabled: false}", "networkPolicy: {enabled: true}", "metrics: {podMonitor: {enabled: true}}", "policy: {users: [restorer]}",
		"resources: {limits: {memory: 1Gi}}", "namespaces: [team-a]", "signer: {enabled: true}",
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
