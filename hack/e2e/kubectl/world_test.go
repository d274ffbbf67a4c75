// Package kubectl tests `kubectl signet` on a live installation: config/default
// and config/signer as users apply them, the manager and the signer at work
// under their own roles, and the CRDs of Traefik, Envoy Gateway and Istio.
package kubectl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	system     = "signet-system"
	shop       = "shop"
	signerHost = "signet-signer.signet-system.svc"
	verifyHost = "signet-signer-verify.signet-system.svc"
)

// world is a control plane with Signet at work on it.
type world struct {
	// t is the test that all others are part of: what they share ends with it.
	t *testing.T

	root, dir, binary string
	cluster           *controlplane.ControlPlane
	admin             client.Client

	webhooks    string
	manager     *proc.Process
	signAddress string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log.SetLogger(logr.Discard())
	root, err := controlplane.Root()
	must(t, err)
	w := &world{t: t, root: root, dir: t.TempDir()}
	w.binary = filepath.Join(w.dir, "signet")
	w.run(t, ".", "go", "build", "-o", w.binary, ".")
	w.run(t, ".", "go", "build", "-o", filepath.Join(w.dir, "kubectl-signet"), "./internal/cmd/kubectl-signet")
	w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{})
	must(t, err)
	t.Cleanup(w.cluster.Stop)
	scheme := runtime.NewScheme()
	must(t, errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme), gwapiv1.Install(scheme)))
	w.admin, err = client.New(w.cluster.Config, client.Options{Scheme: scheme})
	must(t, err)
	w.installCRDs(t)
	w.webhooks = proc.FreeAddress(t)
	w.install(t, "default", "signer")
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}})
	w.startManager(t)
	w.startSigner(t)
	w.pretendPods(t)
	return w
}

// run runs a command in a folder of the checkout.
func (w *world) run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join(w.root, folder)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, output, problems.String())
	}
	return string(output)
}

// installCRDs applies those of the Gateway API, and of the gateways as their
// modules have them.
func (w *world) installCRDs(t *testing.T) {
	t.Helper()
	standard := strings.TrimSpace(w.run(t, ".", "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api"))
	w.kubectl(t, "apply", "--server-side", "-f", filepath.Join(standard, "config", "crd", "standard"))
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
			w.installJudged(t, filepath.Join(module.Dir, path))
		}
	}
}

// installJudged applies, of a file of CRDs, those of the kinds that doctor
// judges.
func (w *world) installJudged(t *testing.T, path string) {
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
	must(t, w.cluster.Apply(t.Context(), crds, controlplane.InstallOptions{}))
}

func (w *world) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return w.run(t, ".", w.cluster.Kubectl, append([]string{"--kubeconfig=" + w.cluster.Kubeconfig}, args...)...)
}

// install applies folders of config/, with the webhooks where the manager of
// this test listens. Applied again, it mends what a test has broken.
func (w *world) install(t *testing.T, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		must(t, w.cluster.Install(t.Context(), filepath.Join(w.root, "config", folder),
			controlplane.InstallOptions{WebhookURL: "https://" + w.webhooks}))
	}
}

// identity is a kubeconfig with a token of a ServiceAccount.
func (w *world) identity(t *testing.T, namespace, account string) string {
	t.Helper()
	config, err := w.cluster.ServiceAccountConfig(t.Context(), namespace, account)
	must(t, err)
	path := filepath.Join(w.dir, account+".kubeconfig")
	must(t, w.cluster.WriteKubeconfig(config, path))
	return path
}

func (w *world) startManager(t *testing.T) {
	t.Helper()
	probes := proc.FreeAddress(t)
	w.manager = proc.Start(w.t, w.dir, "manager", nil, w.binary, "manager",
		"--kubeconfig="+w.identity(t, system, "signet-controller-manager"),
		"--leader-elect", "--leader-elect-namespace="+system,
		"--webhook-bind-address="+w.webhooks, "--webhook-names=127.0.0.1",
		"--metrics-bind-address=0", "--health-probe-bind-address="+probes)
	proc.Eventually(t, "the manager to be ready", func() error { return ready(probes) })
}

// startSigner has `signet certs` make the Secrets, and mounts the signer's own as
// the kubelet does.
func (w *world) startSigner(t *testing.T) {
	t.Helper()
	w.run(t, ".", w.binary, "certs", "--kubeconfig="+w.cluster.Kubeconfig, "--secrets",
		"--server="+signerHost+","+verifyHost+",127.0.0.1", "--sign="+shop, "--verify="+shop)
	w.signAddress = proc.FreeAddress(t)
	probes, mounted := proc.FreeAddress(t), w.mount(t, system, "signet-signer-server")
	proc.Start(w.t, w.dir, "signer", nil, w.binary, "signer", "--kubeconfig="+w.identity(t, system, "signet-signer"),
		"--sign-bind-address="+w.signAddress, "--verify-bind-address=0", "--envoy-bind-address=0", "--ext-authz-bind-address=0",
		"--tls-cert="+filepath.Join(mounted, "tls.crt"), "--tls-key="+filepath.Join(mounted, "tls.key"),
		"--client-ca="+filepath.Join(mounted, "ca.crt"),
		"--shutdown-delay=0s", "--metrics-bind-address=0", "--health-probe-bind-address="+probes)
	proc.Eventually(t, "the signer to be ready", func() error { return ready(probes) })
}

// mount writes the data of a Secret into a folder.
func (w *world) mount(t *testing.T, namespace, name string) string {
	t.Helper()
	dir := filepath.Join(w.dir, name)
	must(t, os.MkdirAll(dir, 0o700))
	for file, content := range w.secret(t, namespace, name).Data {
		must(t, os.WriteFile(filepath.Join(dir, file), content, 0o600))
	}
	return dir
}

func (w *world) secret(t *testing.T, namespace, name string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	must(t, w.admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, secret))
	return secret
}

// pretendPods writes what nobody else does here. No kubelet runs, so that no
// Deployment becomes available: the manager and the signer are processes of this
// machine.
func (w *world) pretendPods(t *testing.T) {
	t.Helper()
	for _, name := range []string{"signet-controller-manager", "signet-signer"} {
		w.available(t, name, corev1.ConditionTrue)
	}
}

func (w *world) available(t *testing.T, name string, status corev1.ConditionStatus) {
	t.Helper()
	deployment := &appsv1.Deployment{}
	must(t, w.admin.Get(t.Context(), client.ObjectKey{Namespace: system, Name: name}, deployment))
	deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: status}}
	deployment.Status.Replicas, deployment.Status.ReadyReplicas, deployment.Status.AvailableReplicas = 2, 2, 2
	must(t, w.admin.Status().Update(t.Context(), deployment))
}

func (w *world) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		must(t, w.admin.Create(t.Context(), object))
	}
}

// apply applies YAML as an administrator.
func (w *world) apply(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(w.dir, "apply.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	w.kubectl(t, "apply", "--server-side", "--force-conflicts", "-f", path)
}

// await waits until a condition of a key or a binding has the reason.
func (w *world) await(t *testing.T, object client.Object, name, condition, reason string) {
	t.Helper()
	proc.Eventually(t, fmt.Sprintf("%T %s to be %s", object, name, reason), func() error {
		if err := w.admin.Get(context.Background(), client.ObjectKey{Namespace: shop, Name: name}, object); err != nil {
			return err
		}
		var conditions []metav1.Condition
		switch object := object.(type) {
		case *signetv1alpha1.SignatureKey:
			conditions = object.Status.Conditions
		case *signetv1alpha1.SignatureBinding:
			conditions = object.Status.Conditions
		}
		if found := meta.FindStatusCondition(conditions, condition); found == nil || found.Reason != reason || found.ObservedGeneration < object.GetGeneration() {
			return fmt.Errorf("its conditions are %v", conditions)
		}
		return nil
	})
}

// viewer is somebody with the role view in the shop: what Signet adds to it, and
// nothing else.
func (w *world) viewer(t *testing.T) string {
	t.Helper()
	w.create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "viewer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "signet-view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "viewer"}},
	})
	return "viewer"
}

// signet runs `kubectl signet` as kubectl finds it.
func (w *world) signet(t *testing.T, args ...string) (out, problems string, code int) {
	t.Helper()
	cmd := w.command(t, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	code = exitCode(cmd.Run())
	return stdout.String(), stderr.String(), code
}

func (w *world) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), w.cluster.Kubectl, append([]string{"signet"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.cluster.Kubeconfig, "PATH="+w.dir+":"+os.Getenv("PATH"))
	return cmd
}

// done is signet for commands that have to succeed.
func (w *world) done(t *testing.T, args ...string) string {
	t.Helper()
	out, problems, code := w.signet(t, args...)
	if code != 0 {
		t.Fatalf("kubectl signet %s: %d\n%s%s", strings.Join(args, " "), code, out, problems)
	}
	return out
}
