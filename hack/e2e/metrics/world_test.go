package metrics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	system = "signet-system"
	// shop is the one namespace with keys; no metric may have it in it.
	shop = "shop-of-a-tenant"
)

// world is Signet at work: a control plane, two managers of which the first
// leads, and a signer, each under its own role.
type world struct {
	root, dir, binary, certs string
	cluster                  *controlplane.ControlPlane
	admin                    client.Client

	// leader, follower and signer are where these serve metrics.
	leader, follower, signer string
	signAddress              string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{root: root, dir: t.TempDir()}
	w.binary = filepath.Join(w.dir, "signet")
	w.run(t, "go", "build", "-o", w.binary, ".")
	if w.cluster, err = controlplane.Start(t.Context(), controlplane.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Stop)
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	if w.admin, err = client.New(w.cluster.Config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	webhooks := proc.FreeAddress(t)
	for _, part := range []string{"config/default", "config/signer"} {
		if err := w.cluster.Install(t.Context(), filepath.Join(root, part), controlplane.InstallOptions{WebhookURL: "https://" + webhooks}); err != nil {
			t.Fatal(err)
		}
	}
	w.leader, w.follower = w.startManager(t, "leader", webhooks), w.startManager(t, "follower", proc.FreeAddress(t))
	w.startSigner(t)
	return w
}

// run runs a command in the root of the checkout.
func (w *world) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = w.root
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, output)
	}
	return string(output)
}

// identity is a kubeconfig with a token of a ServiceAccount.
func (w *world) identity(t *testing.T, account string) string {
	t.Helper()
	config, err := w.cluster.ServiceAccountConfig(t.Context(), system, account)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.dir, account+".kubeconfig")
	if err := w.cluster.WriteKubeconfig(config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// startManager starts a manager, waits until it is ready and returns where its
// metrics are.
func (w *world) startManager(t *testing.T, name, webhooks string) string {
	t.Helper()
	probes, metrics := proc.FreeAddress(t), proc.FreeAddress(t)
	proc.Start(t, w.dir, name, nil, w.binary, "manager",
		"--kubeconfig="+w.identity(t, "signet-controller-manager"),
		"--leader-elect", "--leader-elect-namespace="+system,
		"--webhook-bind-address="+webhooks, "--webhook-names=127.0.0.1",
		"--metrics-bind-address="+metrics, "--health-probe-bind-address="+probes)
	proc.Eventually(t, "the "+name+" to be ready", func() error { return answers("http://" + probes + "/readyz") })
	return metrics
}

func (w *world) startSigner(t *testing.T) {
	t.Helper()
	w.certs = filepath.Join(w.dir, "certs")
	w.run(t, w.binary, "certs", "--out="+w.certs, "--server=127.0.0.1", "--sign="+shop)
	w.signer, w.signAddress = proc.FreeAddress(t), proc.FreeAddress(t)
	probes := proc.FreeAddress(t)
	proc.Start(t, w.dir, "signer", nil, w.binary, "signer",
		"--kubeconfig="+w.identity(t, "signet-signer"), "--sign-bind-address="+w.signAddress,
		"--verify-bind-address=0", "--envoy-bind-address=0", "--ext-authz-bind-address=0",
		"--tls-cert="+filepath.Join(w.certs, "server", "tls.crt"), "--tls-key="+filepath.Join(w.certs, "server", "tls.key"),
		"--client-ca="+filepath.Join(w.certs, "ca", "ca.crt"),
		"--shutdown-delay=0s", "--metrics-bind-address="+w.signer, "--health-probe-bind-address="+probes)
	proc.Eventually(t, "the signer to be ready", func() error { return answers("http://" + probes + "/readyz") })
}

func answers(url string) error {
	_, err := fetch(http.DefaultClient, url, nil)
	return err
}

// fetch returns the body of a 200.
func fetch(caller *http.Client, url string, header http.Header) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if header != nil {
		request.Header = header
	}
	response, err := caller.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, err
}

// live makes keys and bindings of several states, and has the signer answer.
func (w *world) live(t *testing.T) {
	t.Helper()
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}})
	w.create(t, newKey("orders", ""))
	w.create(t, newKey("sourceless", "missing"))
	holder := newBinding("holder", "orders")
	w.create(t, holder)
	w.await(t, holder, signetv1alpha1.ReasonBound)
	late := newBinding("late", "orders")
	late.Spec.SignatureHeader = "X-Signature" // in the same way it would be on standby
	w.create(t, late)
	w.await(t, late, signetv1alpha1.ReasonConflicted)

	caller := w.gateway(t)
	proc.Eventually(t, "a signature", func() error { return w.sign(caller, "orders-api") })
	if err := w.sign(caller, "unheard-of"); err == nil {
		t.Fatal("an API without a binding was signed for")
	}
}

func (w *world) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := w.admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func newKey(name, source string) *signetv1alpha1.SignatureKey {
	key := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name}}
	key.Spec.Type = signetv1alpha1.KeyTypeHMAC
	if source != "" {
		key.Spec.Source = &signetv1alpha1.KeySource{SecretRef: &signetv1alpha1.LocalReference{Name: source}}
	}
	return key
}

func newBinding(name, key string) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name}}
	binding.Spec.KeyRef.Name, binding.Spec.Environment = key, "RELEASE"
	binding.Spec.APIs = []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders-api")}
	return binding
}

// await waits until the binding is as it should be.
func (w *world) await(t *testing.T, binding *signetv1alpha1.SignatureBinding, reason string) {
	t.Helper()
	proc.Eventually(t, binding.Name+" to be "+reason, func() error {
		if err := w.admin.Get(context.Background(), client.ObjectKeyFromObject(binding), binding); err != nil {
			return err
		}
		if ready := meta.FindStatusCondition(binding.Status.Conditions, signetv1alpha1.ConditionReady); ready == nil || ready.Reason != reason {
			return fmt.Errorf("its conditions are %v", binding.Status.Conditions)
		}
		return nil
	})
}

// gateway is a client with the certificate of the shop's gateway.
func (w *world) gateway(t *testing.T) *http.Client {
	t.Helper()
	dir := filepath.Join(w.certs, "sign-"+shop)
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: trusted, MinVersion: tls.VersionTLS12},
	}}
}

func (w *world) sign(caller *http.Client, api string) error {
	_, err := fetch(caller, "https://"+w.signAddress+"/sign/"+shop+"/RELEASE/API/"+api, http.Header{
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/orders"}, "X-Forwarded-Host": {"orders.example.com"},
	})
	return err
}
