// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/controlplane"
)

func TestAssetsNamesWhatIsMissing(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "etcd"), nil, 0o600)).To(Succeed())
	t.Setenv("KUBEBUILDER_ASSETS", dir)
	_, err := controlplane.Assets(t.Context(), os.Stderr)
	g.Expect(err).To(MatchError(ContainSubstring("lacks kubectl, kube-apiserver, kube-controller-manager")))
}

func TestOlderVersionsArePinned(t *testing.T) {
	for minor, release := range controlplane.OlderVersions {
		t.Run(minor, func(t *testing.T) {
			g := NewWithT(t)
			text, err := os.ReadFile(filepath.Join("binaries", minor, "go.mod"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(release).To(HavePrefix("v" + minor + "."))
			g.Expect(string(text)).To(ContainSubstring("k8s.io/kubernetes " + release + " // indirect\n"))
			g.Expect(string(text)).To(ContainSubstring("k8s.io/apiserver => k8s.io/apiserver v0" + strings.TrimPrefix(release, "v1") + "\n"))
		})
	}
}

func TestAPIServerNamesWhatThereIs(t *testing.T) {
	t.Setenv(controlplane.KubernetesVariable, "1.2")
	_, err := controlplane.APIServer(t.Context(), t.TempDir(), os.Stderr)
	NewWithT(t).Expect(err).To(MatchError(HavePrefix(`no kube-apiserver of Kubernetes "1.2" is pinned, only of 1.30`)))
}

func TestControlPlane(t *testing.T) {
	g := NewWithT(t)
	cp, err := controlplane.Start(t.Context(), controlplane.Options{ControllerManager: true})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cp.Stop)

	admin, err := client.New(cp.Config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(admin.List(t.Context(), &corev1.SecretList{})).To(Succeed())

	config, err := cp.ServiceAccountConfig(t.Context(), "default", "default")
	g.Expect(err).NotTo(HaveOccurred())
	account, err := client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	err = account.List(t.Context(), &corev1.SecretList{})
	g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "RBAC lets a ServiceAccount without roles read Secrets: %v", err)
	g.Expect(err).To(MatchError(ContainSubstring("system:serviceaccount:default:default")))

	owner := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "owner", "namespace": "default"},
	}}
	g.Expect(cp.WaitForGarbageCollector(t.Context(), owner)).To(Succeed())
}
