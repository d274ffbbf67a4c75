// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/hack/e2e/upgrade"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const sample = "apiVersion: signet.dev/v1alpha1\nkind: SignatureKey\nmetadata: {name: orders, namespace: team-a}\nspec: {type: HMAC}\n"

// TestLifeCycle is what a release goes through. No kubelet runs its Pods, so
// the CA bundle is written here as the manager would.
func TestLifeCycle(t *testing.T) {
	step := func(name string, run func(g *WithT)) {
		if !t.Failed() {
			t.Run(name, func(t *testing.T) { run(NewWithT(t)) })
		}
	}
	newer := newerChart(t)
	step("a dry run installs nothing", func(g *WithT) {
		helmRuns(g, "install", "signet", chart, "--dry-run=server")
		g.Expect(exists(g, "customresourcedefinition/signaturekeys.signet.dev")).To(BeFalse())
	})
	step("install", func(g *WithT) {
		helmRuns(g, "install", "signet", chart)
		setCABundle(g, t)
	})
	step("upgrade", func(g *WithT) {
		helmRuns(g, "upgrade", "signet", newer, "--set", "publicKeyEnable=true,replicas=3")
		upgraded(g, t)
	})
	step("users' objects", func(g *WithT) {
		// No process serves the webhooks here. Helm restores their configuration.
		kubectlRuns(g, "delete", "validatingwebhookconfiguration", "signet")
		kubectlRuns(g, "apply", "-f", write(t, sample))
		helmRuns(g, "upgrade", "signet", newer)
		g.Expect(exists(g, "validatingwebhookconfiguration/signet")).To(BeTrue())
	})
	step("uninstall", func(g *WithT) {
		helmRuns(g, "uninstall", "signet")
		uninstalled(g, t)
	})
	step("install again", func(g *WithT) {
		helmRuns(g, "install", "signet", newer)
		kubectlRuns(g, "-n", "team-a", "get", "signaturekey", "orders")
		helmRuns(g, "uninstall", "signet")
	})
	step("take over from kustomize", func(g *WithT) {
		kubectlRuns(g, "delete", "-k", filepath.Join(root, "config", "crd"))
		kubectlRuns(g, "apply", "--server-side", "-k", filepath.Join(root, "config", "default"))
		output, err := execute(helm, "install", "signet", chart, "--namespace", systemNamespace)
		g.Expect(err).To(HaveOccurred())
		g.Expect(output).To(ContainSubstring("invalid ownership metadata"))
		helmRuns(g, "install", "signet", chart, "--take-ownership", "--set", "signer.enabled=true")
		helmRuns(g, "uninstall", "signet")
		g.Expect(exists(g, "customresourcedefinition/signaturekeys.signet.dev")).To(BeTrue())
	})
	step("remove what Helm leaves", func(g *WithT) {
		kubectlRuns(g, "delete", "-k", filepath.Join(root, "config", "crd"))
		upgraded := upgrade.Cluster{Cluster: cluster}
		g.Eventually(func() ([]string, error) { return upgraded.Remains(t.Context()) }, proc.Soon).
			Should(ConsistOf("namespace/" + systemNamespace))
	})
}

func helmRuns(g *WithT, args ...string) {
	g.THelper()
	output, err := execute(helm, append(args, "--namespace", systemNamespace)...)
	g.Expect(err).NotTo(HaveOccurred(), output)
}

func kubectlRuns(g *WithT, args ...string) {
	g.THelper()
	output, err := execute(cluster.Kubectl, args...)
	g.Expect(err).NotTo(HaveOccurred(), output)
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "object.yaml")
	NewWithT(t).Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return path
}

// exists reports whether a cluster-scoped object exists.
func exists(g *WithT, object string) bool {
	g.THelper()
	output, err := execute(cluster.Kubectl, "get", object, "--ignore-not-found", "-o", "name")
	g.Expect(err).NotTo(HaveOccurred(), output)
	return output != ""
}

// newerChart is the chart of a later version, whose CRD has one more field.
func newerChart(t *testing.T) string {
	t.Helper()
	g, dir := NewWithT(t), t.TempDir()
	output, err := exec.CommandContext(t.Context(), "tar", "-xzf", chart, "-C", dir).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	edit := func(before, now string, path ...string) {
		file := filepath.Join(append([]string{dir, "signet"}, path...)...)
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(content)).To(ContainSubstring(before))
		g.Expect(os.WriteFile(file, []byte(strings.Replace(string(content), before, now, 1)), 0o600)).To(Succeed())
	}
	edit("version: 0.1.0", "version: 99.0.0", "Chart.yaml")
	edit("              displayName:\n", "              fresh: {type: string}\n              displayName:\n", "files", "crd", "signet.dev_signaturekeys.yaml")
	return filepath.Join(dir, "signet")
}

func webhooks(g *WithT, t *testing.T) *admissionregistrationv1.ValidatingWebhookConfiguration {
	g.THelper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: "signet"}, configuration)).To(Succeed())
	g.Expect(configuration.Webhooks).NotTo(BeEmpty())
	return configuration
}

func setCABundle(g *WithT, t *testing.T) {
	g.THelper()
	configuration := webhooks(g, t)
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig.CABundle = cluster.Config.CAData
	}
	g.Expect(admin.Update(t.Context(), configuration)).To(Succeed())
}

// upgraded expects the new CRD, the new flag, and the manager's CA bundle.
func upgraded(g *WithT, t *testing.T) {
	g.THelper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: "signaturekeys.signet.dev"}, crd)).To(Succeed())
	text, err := crd.MarshalJSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(ContainSubstring(`"fresh":`))

	manager := &appsv1.Deployment{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "signet-controller-manager"}, manager)).To(Succeed())
	g.Expect(manager.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
	g.Expect(manager.Spec.Template.Spec.Containers[0].Args).To(ContainElement("--public-key-enable"))
	for _, webhook := range webhooks(g, t).Webhooks {
		g.Expect(webhook.ClientConfig.CABundle).To(Equal(cluster.Config.CAData), webhook.Name)
	}
}

// uninstalled expects that what the release is made of is gone, and that the
// CRDs and the user's key are not.
func uninstalled(g *WithT, t *testing.T) {
	g.THelper()
	for identity, object := range objects(t, "") {
		there := &unstructured.Unstructured{}
		there.SetGroupVersionKind(object.GroupVersionKind())
		err := admin.Get(t.Context(), client.ObjectKeyFromObject(object), there)
		if object.GetKind() == "CustomResourceDefinition" {
			g.Expect(err).NotTo(HaveOccurred(), identity)
			g.Expect(there.GetDeletionTimestamp()).To(BeNil(), identity)
		} else {
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), identity)
		}
	}
	kubectlRuns(g, "-n", "team-a", "get", "signaturekey", "orders")
}

// TestWhatIsLeftOver removes Signet before the keys: what it held blocks its
// namespace, and the command of config/README.md ends that.
func TestWhatIsLeftOver(t *testing.T) {
	g := NewWithT(t)
	kubectlRuns(g, "apply", "--server-side", "--force-conflicts", "-k", filepath.Join(root, "config", "crd"))
	kubectlRuns(g, "create", "namespace", "left-over")
	held := `
apiVersion: signet.dev/v1alpha1
kind: SignatureKey
metadata: {name: orders, namespace: left-over, finalizers: [example.com/other, signet.dev/in-use]}
spec: {type: HMAC}
---
apiVersion: v1
kind: Secret
metadata: {name: orders, namespace: left-over, finalizers: [signet.dev/in-use]}
`
	kubectlRuns(g, "apply", "-f", write(t, held))
	kubectlRuns(g, "delete", "namespace", "left-over", "--wait=false")
	leftOver := func(g Gomega) string {
		output, err := execute(cluster.Kubectl, "-n", "left-over", "get", "signaturekeys,secrets", "-o", "jsonpath={.items[*].metadata.finalizers}")
		g.Expect(err).NotTo(HaveOccurred(), output)
		return output
	}
	g.Eventually(func(g Gomega) {
		namespace := &corev1.Namespace{}
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: "left-over"}, namespace)).To(Succeed())
		g.Expect(namespace.Status.Conditions).To(ContainElement(HaveField("Type", corev1.NamespaceFinalizersRemaining)))
	}, proc.Soon).Should(Succeed())
	g.Expect(leftOver(g)).To(Equal(`["example.com/other","signet.dev/in-use"] ["signet.dev/in-use"]`))

	letGo(g, t)
	g.Eventually(leftOver, proc.Soon).Should(Equal(`["example.com/other"]`))

	kubectlRuns(g, "-n", "left-over", "patch", "signaturekey", "orders", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	g.Eventually(func() bool {
		err := admin.Get(t.Context(), client.ObjectKey{Name: "left-over"}, &corev1.Namespace{})
		return apierrors.IsNotFound(err)
	}, proc.Long).Should(BeTrue())
}

// TestRemovalBeforeTheKeys deletes everything at once, the CRDs too: they wait
// for the key that is held, until the command has run.
func TestRemovalBeforeTheKeys(t *testing.T) {
	g := NewWithT(t)
	const crd = "customresourcedefinition/signaturekeys.signet.dev"
	kubectlRuns(g, "apply", "--server-side", "--force-conflicts", "-k", filepath.Join(root, "config", "crd"))
	held := strings.Replace(sample, "namespace: team-a", "namespace: team-b, finalizers: [signet.dev/in-use]", 1)
	g.Eventually(func() error {
		_, err := execute(cluster.Kubectl, "apply", "-f", write(t, held))
		return err
	}, proc.Soon).Should(Succeed())
	kubectlRuns(g, "delete", "-k", filepath.Join(root, "config", "default"), "--ignore-not-found", "--wait=false")
	g.Eventually(func() string {
		output, _ := execute(cluster.Kubectl, "-n", "team-b", "get", "signaturekey", "orders", "-o", "jsonpath={.metadata.deletionTimestamp}")
		return output
	}, proc.Soon).Should(MatchRegexp(`^\d{4}-`))
	g.Expect(exists(g, crd)).To(BeTrue())

	letGo(g, t)
	g.Eventually(func() bool { return exists(g, crd) }, proc.Soon).Should(BeFalse())
	// The other tests need the namespace.
	g.Eventually(func() error {
		_, err := execute(cluster.Kubectl, "create", "namespace", systemNamespace)
		return err
	}, proc.Long).Should(Succeed())
}

// letGo runs the documented command.
func letGo(g *WithT, t *testing.T) {
	g.THelper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", removalCommand(t))
	command.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig, "PATH="+filepath.Dir(cluster.Kubectl)+":"+os.Getenv("PATH"))
	output, err := command.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
}

// removalCommand is the one in the section about removal of config/README.md.
func removalCommand(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	readme, err := os.ReadFile(filepath.Join(root, "config", "README.md"))
	g.Expect(err).NotTo(HaveOccurred())
	_, section, found := strings.Cut(string(readme), "\n## Removal\n")
	g.Expect(found).To(BeTrue())
	_, block, found := strings.Cut(section, "\n```sh\nkubectl delete validatingwebhookconfiguration")
	g.Expect(found).To(BeTrue())
	command, _, found := strings.Cut(block, "\n```\n")
	g.Expect(found).To(BeTrue())
	return "kubectl delete validatingwebhookconfiguration" + command
}
