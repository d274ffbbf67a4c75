// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const restricted = "restricted"

// renderings are all that a user may install.
func renderings(t *testing.T) map[string]map[string]*unstructured.Unstructured {
	t.Helper()
	return map[string]map[string]*unstructured.Unstructured{
		"kustomization":              kustomized(t, "default"),
		"namespaced kustomization":   kustomized(t, "namespaced"),
		"cert-manager kustomization": kustomized(t, "certmanager"),
		"signer":                     kustomized(t, "signer"),
		"namespaced signer":          kustomized(t, "signer/namespaced"),
		"chart":                      objects(t, ""),
		"chart with everything":      objects(t, everything),
		"chart for namespaces":       objects(t, everyNamespaced),
	}
}

// pods are one of each template among the objects, in the namespace that
// enforces the restricted profile.
func pods(g *WithT, objects map[string]*unstructured.Unstructured) []*corev1.Pod {
	g.THelper()
	var all []*corev1.Pod
	for identity, object := range objects {
		template, found, err := unstructured.NestedMap(object.Object, "spec", "template")
		g.Expect(err).NotTo(HaveOccurred(), identity)
		if !found {
			continue
		}
		pod := &corev1.Pod{}
		g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(template, pod)).To(Succeed(), identity)
		pod.Namespace, pod.Name = restricted, strings.ToLower(object.GetKind())+"-"+object.GetName()
		all = append(all, pod)
	}
	return all
}

// admit sends the Pod to the API server as a dry run.
func admit(t *testing.T, pod *corev1.Pod) error {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: pod.Spec.ServiceAccountName, Namespace: pod.Namespace}}
	if err := admin.Create(t.Context(), account); err != nil {
		NewWithT(t).Expect(apierrors.IsAlreadyExists(err)).To(BeTrue(), err.Error())
	}
	return admin.Create(t.Context(), pod, client.DryRunAll)
}

func enforceRestricted(t *testing.T) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: restricted, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		NewWithT(t).Expect(apierrors.IsAlreadyExists(err)).To(BeTrue(), err.Error())
	}
}

func TestPodsAreRestricted(t *testing.T) {
	enforceRestricted(t)
	for name, objects := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			all := pods(g, objects)
			g.Expect(all).NotTo(BeEmpty())
			for _, pod := range all {
				g.Expect(admit(t, pod)).To(Succeed(), pod.Name)
			}
		})
	}
}

// TestOtherPodsAreRefused changes each setting that the profile requires.
func TestOtherPodsAreRefused(t *testing.T) {
	enforceRestricted(t)
	changes := map[string]struct {
		change func(*corev1.PodSpec)
		want   string
	}{
		"root":             {func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsUser = ptr.To(int64(0)) }, "runAsUser=0"},
		"perhaps root":     {func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsNonRoot = nil }, "runAsNonRoot != true"},
		"no seccomp":       {func(pod *corev1.PodSpec) { pod.SecurityContext.SeccompProfile = nil }, "seccompProfile"},
		"host's network":   {func(pod *corev1.PodSpec) { pod.HostNetwork = true }, "hostNetwork=true"},
		"more privileges":  {func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil }, "allowPrivilegeEscalation != false"},
		"all capabilities": {func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.Capabilities = nil }, "unrestricted capabilities"},
		"host's folder": {func(pod *corev1.PodSpec) {
			pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}})
		}, "restricted volume types"},
	}
	for name, tc := range changes {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for _, pod := range pods(g, objects(t, "signer: {enabled: true}")) {
				tc.change(&pod.Spec)
				g.Expect(admit(t, pod)).To(MatchError(And(ContainSubstring(`violates PodSecurity "restricted`), ContainSubstring(tc.want))))
			}
		})
	}
}

// unknownKinds are kinds that the API server of the tests does not have.
var unknownKinds = []string{"PodMonitor", "Certificate", "Issuer"}

// TestSchemas lets the API server check every field of all objects, those of
// NetworkPolicies, PodDisruptionBudgets and HorizontalPodAutoscalers among them:
// nothing in the tests puts these into effect.
func TestSchemas(t *testing.T) {
	for name, objects := range renderings(t) {
		t.Run(name, func(t *testing.T) {
			output, err := dryRun(t, objects)
			NewWithT(t).Expect(err).NotTo(HaveOccurred(), output)
		})
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	for _, identity := range []string{
		"NetworkPolicy/signet-system/signet-controller-manager",
		"PodDisruptionBudget/signet-system/signet-controller-manager",
		"HorizontalPodAutoscaler/signet-system/signet-signer",
		deployment,
	} {
		t.Run(identity, func(t *testing.T) {
			g := NewWithT(t)
			object := objects(t, everything)[identity]
			g.Expect(unstructured.SetNestedField(object.Object, "x", "spec", "mistyped")).To(Succeed())
			output, err := dryRun(t, map[string]*unstructured.Unstructured{identity: object})
			g.Expect(err).To(HaveOccurred())
			g.Expect(output).To(ContainSubstring(".spec.mistyped: field not declared in schema"))
		})
	}
}

// dryRun applies the objects without effect, with strict schemas.
func dryRun(t *testing.T, objects map[string]*unstructured.Unstructured) (string, error) {
	t.Helper()
	g := NewWithT(t)
	file := &strings.Builder{}
	for _, object := range objects {
		if slices.Contains(unknownKinds, object.GetKind()) {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		g.Expect(err).NotTo(HaveOccurred())
		file.WriteString("---\n" + string(text))
	}
	path := filepath.Join(t.TempDir(), "objects.yaml")
	g.Expect(os.WriteFile(path, []byte(file.String()), 0o600)).To(Succeed())
	return execute(cluster.Kubectl, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", path)
}
