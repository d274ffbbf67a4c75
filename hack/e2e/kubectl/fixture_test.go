// SPDX-License-Identifier: Apache-2.0

package kubectl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	system     = "signet-system"
	shop       = "shop"
	signerHost = "signet-signer.signet-system.svc"
	verifyHost = "signet-signer-verify.signet-system.svc"
)

// fixture is a cluster with Signet at work on it.
type fixture struct {
	*env.Cluster
	// t is the test that all others are part of: what they share ends with it.
	t *testing.T

	dir, binary string
	webhooks    string
	manager     *proc.Process
	signAddress string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	log.SetLogger(logr.Discard())
	cluster, err := env.Start(t.Context(), env.Options{GatewayAPI: true})
	must(t, err)
	t.Cleanup(cluster.Stop)
	w := &fixture{Cluster: cluster, t: t, dir: t.TempDir(), webhooks: proc.FreeAddress(t)}
	w.binary = filepath.Join(w.dir, "signet")
	must(t, env.Build(t.Context(), w.Root, ".", w.binary))
	must(t, env.Build(t.Context(), w.Root, "./internal/cmd/kubectl-signet", filepath.Join(w.dir, "kubectl-signet")))
	w.installCRDs(t)
	w.install(t, "default", "signer")
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}})
	w.startManager(t)
	w.startSigner(t)
	w.pretendPods(t)
	return w
}

// run runs a command in a folder of the checkout.
func (w *fixture) run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = filepath.Join(w.Root, folder)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, output, problems.String())
	}
	return string(output)
}

// installCRDs applies the CRDs of the gateways, from their modules.
func (w *fixture) installCRDs(t *testing.T) {
	t.Helper()
	paths := map[string][]string{
		"github.com/traefik/traefik/v3": {"docs/content/reference/dynamic-configuration/traefik.io_middlewares.yaml"},
		"github.com/envoyproxy/gateway": {
			"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_securitypolicies.yaml",
			"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backends.yaml",
		},
		"istio.io/api": {"kubernetes/customresourcedefinitions.gen.yaml"},
	}
	modules := json.NewDecoder(strings.NewReader(w.run(t, "hack/e2e/kubectl/crds", "go", "mod", "download", "-json",
		"github.com/traefik/traefik/v3", "github.com/envoyproxy/gateway", "istio.io/api")))
	for {
		var module struct{ Path, Dir string }
		err := modules.Decode(&module)
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		for _, path := range paths[module.Path] {
			w.installChecked(t, filepath.Join(module.Dir, path))
		}
	}
}

// installChecked applies, of a file of CRDs, those of the kinds that doctor
// checks.
func (w *fixture) installChecked(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer func() { _ = file.Close() }()
	crds, err := controlplane.Decode(file)
	must(t, err)
	judged := []string{
		"middlewares.traefik.io", "securitypolicies.gateway.envoyproxy.io", "backends.gateway.envoyproxy.io",
		"authorizationpolicies.security.istio.io", "envoyfilters.networking.istio.io",
	}
	crds = slices.DeleteFunc(crds, func(crd *unstructured.Unstructured) bool { return !slices.Contains(judged, crd.GetName()) })
	if len(crds) == 0 {
		t.Fatalf("%s has none of %v", path, judged)
	}
	must(t, w.Apply(t.Context(), crds, controlplane.InstallOptions{}))
}

func (w *fixture) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return w.run(t, ".", w.Kubectl, append([]string{"--kubeconfig=" + w.Kubeconfig}, args...)...)
}

// install applies folders of config/, with the webhooks where the manager of
// this test listens. Applied again, it repairs what a test has broken.
func (w *fixture) install(t *testing.T, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		must(t, w.InstallConfig(t.Context(), folder, w.webhooks))
	}
}

func (w *fixture) startManager(t *testing.T) {
	t.Helper()
	m, err := w.StartManagerProcess(t.Context(), env.ProcessOptions{
		Binary: w.binary, Webhooks: w.webhooks, Flags: []string{"--leader-elect", "--leader-elect-namespace=" + system},
	})
	must(t, err)
	proc.StopWith(w.t, m.Process)
	w.manager = m.Process
}

// startSigner has `signet certs` create the Secrets, and mounts that of the signer
// as the kubelet does.
func (w *fixture) startSigner(t *testing.T) {
	t.Helper()
	w.run(t, ".", w.binary, "certs", "--kubeconfig="+w.Kubeconfig, "--secrets",
		"--server="+signerHost+","+verifyHost+",127.0.0.1", "--sign="+shop, "--verify="+shop)
	mounted := w.mount(t, system, "signet-signer-server")
	s, err := w.StartSignerProcess(t.Context(), env.SignerOptions{ProcessOptions: env.ProcessOptions{Binary: w.binary, Flags: []string{
		"--tls-cert=" + filepath.Join(mounted, "tls.crt"), "--tls-key=" + filepath.Join(mounted, "tls.key"),
		"--client-ca=" + filepath.Join(mounted, "ca.crt"),
	}}})
	must(t, err)
	proc.StopWith(w.t, s.Process)
	w.signAddress = s.Sign
}

// mount writes the data of a Secret into a folder.
func (w *fixture) mount(t *testing.T, namespace, name string) string {
	t.Helper()
	dir := filepath.Join(w.dir, name)
	must(t, os.MkdirAll(dir, 0o700))
	for file, content := range w.secret(t, namespace, name).Data {
		must(t, os.WriteFile(filepath.Join(dir, file), content, 0o600))
	}
	return dir
}

func (w *fixture) secret(t *testing.T, namespace, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	must(t, w.Admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, secret))
	return secret
}

// pretendPods writes the status that no controller writes here. No kubelet runs, so no
// Deployment becomes available: the manager and the signer are processes of this
// machine.
func (w *fixture) pretendPods(t *testing.T) {
	t.Helper()
	for _, name := range []string{"signet-controller-manager", "signet-signer"} {
		w.available(t, name, corev1.ConditionTrue)
	}
}

func (w *fixture) available(t *testing.T, name string, status corev1.ConditionStatus) {
	t.Helper()
	deployment := &appsv1.Deployment{}
	must(t, w.Admin.Get(t.Context(), client.ObjectKey{Namespace: system, Name: name}, deployment))
	deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: status}}
	deployment.Status.Replicas, deployment.Status.ReadyReplicas, deployment.Status.AvailableReplicas = 2, 2, 2
	must(t, w.Admin.Status().Update(t.Context(), deployment))
}

func (w *fixture) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		must(t, w.Admin.Create(t.Context(), object))
	}
}

// apply applies YAML as an administrator.
func (w *fixture) apply(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(w.dir, "apply.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	w.kubectl(t, "apply", "--server-side", "--force-conflicts", "-f", path)
}

// await waits until Ready of a key or a binding has the reason.
func (w *fixture) await(t *testing.T, object client.Object, name, reason string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(w.Admin.Get(t.Context(), client.ObjectKey{Namespace: shop, Name: name}, object)).To(Succeed())
		conditions, err := match.Conditions(object)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(conditions).To(ContainElement(And(
			HaveField("Type", signetv1alpha1.ConditionReady), HaveField("Reason", reason), HaveField("ObservedGeneration", object.GetGeneration()))))
	}, proc.Soon, proc.Poll).Should(Succeed())
}

// viewer returns a user with the role signet-view in the shop and no other role.
func (w *fixture) viewer(t *testing.T) string {
	t.Helper()
	w.create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "viewer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "signet-view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "viewer"}},
	})
	return "viewer"
}

// signet runs `kubectl signet` as kubectl finds it.
func (w *fixture) signet(t *testing.T, args ...string) (out, problems string, code int) {
	t.Helper()
	cmd := w.command(t, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	code = exitCode(cmd.Run())
	return stdout.String(), stderr.String(), code
}

func (w *fixture) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), w.Kubectl, append([]string{"signet"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.Kubeconfig, "PATH="+w.dir+":"+os.Getenv("PATH"))
	return cmd
}

// done is signet for commands that have to succeed.
func (w *fixture) done(t *testing.T, args ...string) string {
	t.Helper()
	out, problems, code := w.signet(t, args...)
	if code != 0 {
		t.Fatalf("kubectl signet %s: %d\n%s%s", strings.Join(args, " "), code, out, problems)
	}
	return out
}
