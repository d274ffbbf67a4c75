package gateways_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	// soon is how long anything may take that the tests wait for.
	soon   = time.Minute
	shop   = "shop"
	other  = "other"
	system = "signet-system"
	// signName is the signer's name in the shown configurations.
	signName = "signet-signer.signet-system.svc"
)

// world is what the gateways of all tests share: a control plane with Signet
// installed, its manager and its signer under their own roles, certificates
// from `signet certs`, and a backend.
type world struct {
	// tb is the test that all others are part of: what they share ends with it.
	tb testing.TB

	root, dir, binary string
	cluster           *controlplane.ControlPlane
	admin             client.WithWatch
	certs             string
	signer            *proc.Process
	signAddress       string
	verifyAddress     string
	metricsAddress    string
	backend           *backend
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	root, err := proc.Root()
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{tb: tb, root: root, dir: tb.TempDir()}
	w.binary = filepath.Join(w.dir, "signet")
	w.run(tb, "go", "build", "-o", w.binary, ".")
	if w.cluster, err = controlplane.Start(tb.Context(), controlplane.Options{}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.cluster.Stop)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, signetv1alpha1.AddToScheme, gwapiv1.Install} {
		if err := add(scheme); err != nil {
			tb.Fatal(err)
		}
	}
	if w.admin, err = client.NewWithWatch(w.cluster.Config, client.Options{Scheme: scheme}); err != nil {
		tb.Fatal(err)
	}
	w.install(tb)
	w.startManager(tb)
	w.issue(tb)
	w.startSigner(tb)
	w.backend = startBackend(tb, w)
	return w
}

// run runs a command in the root of the checkout.
func (w *world) run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = w.root
	output, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}

// install puts the CRDs, roles and namespaces there. The webhooks are not what
// is tested here.
func (w *world) install(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	module := strings.TrimSpace(w.run(tb, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api"))
	w.kubectl(tb, "apply", "--server-side", "-f", filepath.Join(module, "config", "crd", "standard"))
	for _, part := range []string{"config/crd", "config/namespace", "config/rbac", "config/signer"} {
		if err := w.cluster.Install(ctx, filepath.Join(w.root, part), controlplane.InstallOptions{}); err != nil {
			tb.Fatal(err)
		}
	}
	for _, name := range []string{shop, other} {
		if err := w.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			tb.Fatal(err)
		}
	}
}

func (w *world) kubectl(tb testing.TB, args ...string) string {
	tb.Helper()
	return w.run(tb, w.cluster.Kubectl, append([]string{"--kubeconfig=" + w.cluster.Kubeconfig}, args...)...)
}

// identity is a kubeconfig with a token of a ServiceAccount.
func (w *world) identity(tb testing.TB, account string) string {
	tb.Helper()
	config, err := w.cluster.ServiceAccountConfig(tb.Context(), system, account)
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(w.dir, account+".kubeconfig")
	if err := w.cluster.WriteKubeconfig(config, path); err != nil {
		tb.Fatal(err)
	}
	return path
}

func (w *world) startManager(tb testing.TB) {
	tb.Helper()
	probes := proc.FreeAddress(tb)
	proc.Start(tb, w.dir, "manager", nil, w.binary, "manager",
		"--kubeconfig="+w.identity(tb, "signet-controller-manager"), "--public-key-enable",
		"--webhook-bind-address="+proc.FreeAddress(tb), "--webhook-cert-dir="+w.webhookCertificate(tb),
		"--metrics-bind-address=0", "--health-probe-bind-address="+probes)
	proc.Eventually(tb, "the manager to be ready", func() error { return answers("http://" + probes + "/readyz") })
}

// webhookCertificate is one that nobody asks for: no webhooks are installed.
func (w *world) webhookCertificate(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(w.dir, "webhook")
	w.run(tb, w.binary, "certs", "--out="+dir, "--server=localhost")
	return filepath.Join(dir, "server")
}

// issue makes a CA and all certificates, as an operator does.
func (w *world) issue(tb testing.TB) {
	tb.Helper()
	w.certs = filepath.Join(w.dir, "certs")
	w.run(tb, w.binary, "certs", "--out="+w.certs, "--server="+signName+",127.0.0.1",
		"--sign="+shop+","+other, "--verify="+shop)
}

func (w *world) startSigner(tb testing.TB) {
	tb.Helper()
	w.signAddress, w.verifyAddress, w.metricsAddress = proc.FreeAddress(tb), proc.FreeAddress(tb), proc.FreeAddress(tb)
	w.restartSigner(tb)
}

// restartSigner starts a signer at the same addresses.
func (w *world) restartSigner(tb testing.TB) {
	tb.Helper()
	probes := proc.FreeAddress(tb)
	w.signer = proc.Start(w.tb, w.dir, "signer", nil, w.binary, "signer",
		"--kubeconfig="+w.identity(tb, "signet-signer"),
		"--sign-bind-address="+w.signAddress, "--verify-bind-address="+w.verifyAddress,
		"--envoy-bind-address=0", "--ext-authz-bind-address=0",
		"--tls-cert="+filepath.Join(w.certs, "server", "tls.crt"), "--tls-key="+filepath.Join(w.certs, "server", "tls.key"),
		"--client-ca="+filepath.Join(w.certs, "ca", "ca.crt"),
		"--shutdown-delay=0s", "--metrics-bind-address="+w.metricsAddress, "--health-probe-bind-address="+probes)
	proc.Eventually(tb, "the signer to be ready", func() error { return answers("http://" + probes + "/readyz") })
}

func answers(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}

// clientCertificate is the folder with the certificate that lets a gateway sign
// for a namespace: tls.crt, tls.key and ca.crt.
func (w *world) clientCertificate(namespace string) string {
	return filepath.Join(w.certs, "sign-"+namespace)
}

// create creates objects of the shop, or of another namespace that they name.
func (w *world) create(tb testing.TB, objects ...client.Object) {
	tb.Helper()
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(shop)
		}
		if err := w.admin.Create(tb.Context(), object); err != nil {
			tb.Fatal(err)
		}
	}
}

func newKey(name string, keyType signetv1alpha1.KeyType) *signetv1alpha1.SignatureKey {
	return &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: signetv1alpha1.SignatureKeySpec{Type: keyType},
	}
}

func newBinding(name, key string, payload signetv1alpha1.Payload, apis ...string) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: signetv1alpha1.SignatureBindingSpec{
			KeyRef: signetv1alpha1.LocalReference{Name: key}, Environment: "RELEASE", Payload: payload,
		},
	}
	for _, api := range apis {
		kind, name, _ := strings.Cut(api, "/")
		binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKind(kind), name))
	}
	return binding
}

// waitFor waits until the binding has the reason.
func (w *world) waitFor(tb testing.TB, binding, reason string) {
	tb.Helper()
	proc.Eventually(tb, "binding "+binding+" to be "+reason, func() error {
		var found signetv1alpha1.SignatureBinding
		if err := w.admin.Get(context.Background(), client.ObjectKey{Namespace: shop, Name: binding}, &found); err != nil {
			return err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == signetv1alpha1.ConditionReady && condition.Reason == reason {
				return nil
			}
		}
		text, _ := json.Marshal(found.Status)
		return fmt.Errorf("status is %s", text)
	})
}

// shown is a file of config/gateways with this test's addresses and folders.
func (w *world) shown(tb testing.TB, path string, replace map[string]string) string {
	tb.Helper()
	text, err := gateways.Shown(path, replace)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}
