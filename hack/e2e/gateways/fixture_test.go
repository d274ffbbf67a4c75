// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	shop  = "shop"
	other = "other"
	// signName is the name of the signer in the shipped configurations.
	signName = "signet-signer.signet-system.svc"
)

// fixture is what the gateways of all tests share: a cluster with Signet, its
// manager and its signer under their own roles, certificates from `signet certs`,
// and a backend.
type fixture struct {
	*env.Cluster
	// tb is the test that all others are part of: what they share ends with it.
	tb testing.TB

	binary, certs  string
	signer         *proc.Process
	signAddress    string
	verifyAddress  string
	metricsAddress string
	// envoyAddress and extAuthzAddress are those of Envoy's endpoints.
	envoyAddress, extAuthzAddress string
	backend                       *backend
}

// newFixture installs no webhooks: they are not under test here.
func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	g := NewWithT(tb)
	cluster, err := env.Start(tb.Context(), env.Options{GatewayAPI: true, Install: []string{"crd", "namespace", "rbac", "signer"}})
	g.Expect(err).NotTo(HaveOccurred())
	tb.Cleanup(cluster.Stop)
	f := &fixture{Cluster: cluster, tb: tb, binary: filepath.Join(cluster.Dir, "signet"), certs: filepath.Join(cluster.Dir, "certs")}
	g.Expect(env.Build(tb.Context(), f.Root, ".", f.binary)).To(Succeed())
	for _, name := range []string{shop, other} {
		g.Expect(f.Admin.Create(tb.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	}
	f.startManager(tb)
	f.run(tb, f.binary, "certs", "--out="+f.certs, "--server="+signName+",127.0.0.1", "--sign="+shop+","+other, "--verify="+shop)
	f.startSigner(tb)
	f.backend = startBackend(tb, f)
	return f
}

// run runs a command in the root of the checkout.
func (f *fixture) run(tb testing.TB, name string, args ...string) {
	tb.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = f.Root
	if output, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}

func (f *fixture) kubectl(tb testing.TB, args ...string) {
	tb.Helper()
	_, err := f.Run(tb.Context(), args...)
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
}

// startManager gives the manager a certificate that no client uses.
func (f *fixture) startManager(tb testing.TB) {
	tb.Helper()
	dir := filepath.Join(f.Dir, "webhook")
	f.run(tb, f.binary, "certs", "--out="+dir, "--server=localhost")
	m, err := f.StartManagerProcess(tb.Context(), env.ProcessOptions{
		Binary: f.binary, Flags: []string{"--public-key-enable", "--webhook-cert-dir=" + filepath.Join(dir, "server")},
	})
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	proc.StopWith(tb, m.Process)
}

func (f *fixture) startSigner(tb testing.TB) {
	tb.Helper()
	f.signAddress, f.verifyAddress, f.metricsAddress = proc.FreeAddress(tb), proc.FreeAddress(tb), proc.FreeAddress(tb)
	f.envoyAddress, f.extAuthzAddress = proc.FreeAddress(tb), proc.FreeAddress(tb)
	f.restartSigner(tb)
}

// restartSigner starts a signer at the same addresses.
func (f *fixture) restartSigner(tb testing.TB) {
	tb.Helper()
	s, err := f.StartSignerProcess(tb.Context(), env.SignerOptions{
		ProcessOptions: env.ProcessOptions{
			Binary: f.binary, Flags: []string{"--envoy-bind-address=" + f.envoyAddress, "--ext-authz-bind-address=" + f.extAuthzAddress},
		},
		Certificates: f.certs,
		Sign:         f.signAddress, Verify: f.verifyAddress, Metrics: f.metricsAddress,
	})
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	proc.StopWith(f.tb, s.Process)
	f.signer = s.Process
}

// clientCertificate is the folder with the certificate that lets a gateway sign
// for a namespace: tls.crt, tls.key and ca.crt.
func (f *fixture) clientCertificate(namespace string) string {
	return filepath.Join(f.certs, "sign-"+namespace)
}

// create creates objects of the shop, or of another namespace that they name.
func (f *fixture) create(tb testing.TB, objects ...client.Object) {
	tb.Helper()
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(shop)
		}
		if err := f.Admin.Create(tb.Context(), object); err != nil {
			tb.Fatal(err)
		}
	}
}

// listing adds an API, given as kind and name, to a binding.
func listing(api string) gen.BindingFunc {
	kind, name, _ := strings.Cut(api, "/")
	switch signetv1alpha1.APIKind(kind) {
	case signetv1alpha1.APIKindHTTPRoute:
		return gen.WithHTTPRoutes(name)
	case signetv1alpha1.APIKindGRPCRoute:
		return gen.WithGRPCRoutes(name)
	default:
		return gen.WithAPIs(name)
	}
}

// waitFor waits until the binding is Ready for this reason.
func (f *fixture) waitFor(tb testing.TB, name, reason string) {
	tb.Helper()
	binding := gen.SignatureBinding(name, "", gen.InNamespace(shop))
	NewWithT(tb).Eventually(func(g Gomega) {
		fresh := env.Reload(g, tb.Context(), f.Admin, binding)
		g.Expect(fresh.Status.Conditions).To(ContainElement(And(
			HaveField("Type", signetv1alpha1.ConditionReady), HaveField("Reason", reason))))
	}, proc.Soon, proc.Poll).Should(Succeed())
}

// shown is a file of config/gateways with this test's addresses and folders.
func (f *fixture) shown(tb testing.TB, path string, replace map[string]string) string {
	tb.Helper()
	text, err := gateways.ShippedConfig(path, replace)
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
