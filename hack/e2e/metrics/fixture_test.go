// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// shop is the only namespace with keys. No metric may contain its name.
const shop = "shop-of-a-tenant"

// fixture is Signet at work: a cluster, two managers of which the first leads,
// and a signer, each under its own role.
type fixture struct {
	*env.Cluster
	binary, certs string
	// leader, follower and signer are the addresses of their metrics.
	leader, follower, signer string
	signAddress              string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	g := NewWithT(t)
	webhooks := proc.FreeAddress(t)
	cluster, err := env.Start(t.Context(), env.Options{Install: []string{"default", "signer"}, Webhooks: webhooks})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cluster.Stop)
	f := &fixture{Cluster: cluster, binary: filepath.Join(cluster.Dir, "signet"), certs: filepath.Join(cluster.Dir, "certs")}
	g.Expect(env.Build(t.Context(), f.Root, ".", f.binary)).To(Succeed())
	f.leader, f.follower = f.startManager(t, "leader", webhooks), f.startManager(t, "follower", "")
	f.startSigner(t)
	return f
}

// startManager returns the address of the manager's metrics.
func (f *fixture) startManager(t *testing.T, name, webhooks string) string {
	t.Helper()
	m, err := f.StartManagerProcess(t.Context(), env.ProcessOptions{
		Binary: f.binary, Name: name, Webhooks: webhooks,
		Flags: []string{"--leader-elect", "--leader-elect-namespace=" + env.SystemNamespace},
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	proc.StopWith(t, m.Process)
	return m.Metrics
}

func (f *fixture) startSigner(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	output, err := exec.CommandContext(t.Context(), f.binary, "certs", "--out="+f.certs, "--server=127.0.0.1", "--sign="+shop).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	s, err := f.StartSignerProcess(t.Context(), env.SignerOptions{ProcessOptions: env.ProcessOptions{Binary: f.binary}, Certificates: f.certs})
	g.Expect(err).NotTo(HaveOccurred())
	proc.StopWith(t, s.Process)
	f.signer, f.signAddress = s.Metrics, s.Sign
}

// populate creates keys and bindings in several states, and lets the signer
// answer.
func (f *fixture) populate(t *testing.T) {
	t.Helper()
	in := gen.InNamespace(shop)
	f.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}})
	f.create(t, gen.SignatureKey("orders", in))
	f.create(t, gen.SignatureKey("sourceless", in, gen.WithSource("missing")))
	holder := gen.SignatureBinding("holder", "orders", in, gen.WithAPIs("orders-api"))
	f.create(t, holder)
	f.waitReady(t, holder, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
	// With the same header, it would be on standby.
	late := gen.SignatureBinding("late", "orders", in, gen.WithAPIs("orders-api"), gen.WithSignatureHeader("X-Signature"))
	f.create(t, late)
	f.waitReady(t, late, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)

	caller := f.gateway(t)
	proc.Eventually(t, "a signature", func() error { return f.sign(caller, "orders-api") })
	NewWithT(t).Expect(f.sign(caller, "unheard-of")).NotTo(Succeed(), "an API without a binding")
}

func (f *fixture) create(t *testing.T, object client.Object) {
	t.Helper()
	NewWithT(t).Expect(f.Admin.Create(t.Context(), object)).To(Succeed())
}

func (f *fixture) waitReady(t *testing.T, binding *signetv1alpha1.SignatureBinding, status metav1.ConditionStatus, reason string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(env.Reload(g, t.Context(), f.Admin, binding)).To(match.Ready(status, reason))
	}, proc.Soon, proc.Poll).Should(Succeed())
}

// gateway is a client with the certificate of the shop's gateway.
func (f *fixture) gateway(t *testing.T) *http.Client {
	t.Helper()
	g := NewWithT(t)
	dir := filepath.Join(f.certs, "sign-"+shop)
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	g.Expect(err).NotTo(HaveOccurred())
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	g.Expect(err).NotTo(HaveOccurred())
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: trusted, MinVersion: tls.VersionTLS12},
	}}
}

func (f *fixture) sign(caller *http.Client, api string) error {
	_, err := proc.Get(context.Background(), caller, "https://"+f.signAddress+"/sign/"+shop+"/RELEASE/API/"+api, http.Header{
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/orders"}, "X-Forwarded-Host": {"orders.example.com"},
	})
	return err
}
