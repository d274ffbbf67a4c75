// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	cmdsigner "github.com/signet-dev/signet/internal/cmd/signer"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/signer"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const host = "orders.example"

// tenant is a namespace with a key, its Secret and a binding, as the manager
// writes them.
type tenant struct {
	admin     client.Client
	namespace string
	key       *signetv1alpha1.SignatureKey
	secret    *corev1.Secret
	set       *material.Set
}

func newTenant(g *WithT, admin client.Client, namespace string) *tenant {
	g.THelper()
	ctx := context.Background()
	err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	g.Expect(client.IgnoreAlreadyExists(err)).To(Succeed())
	in := gen.InNamespace(namespace)
	t := &tenant{admin: admin, namespace: namespace, key: gen.SignatureKey("orders", in)}
	g.Expect(admin.Create(ctx, t.key)).To(Succeed())
	t.set = t.material(g)
	t.secret = gen.ManagedSecret(t.key, t.set.Encode())
	g.Expect(admin.Create(ctx, t.secret)).To(Succeed())
	binding := gen.SignatureBinding("orders", "orders", in, gen.WithAPIs("orders"))
	g.Expect(admin.Create(ctx, binding)).To(Succeed())
	gen.Holding(time.Now())(binding)
	g.Expect(admin.Status().Update(ctx, binding)).To(Succeed())
	return t
}

func (t *tenant) material(g *WithT) *material.Set {
	set, err := material.First(t.key, material.Supplied{}, time.Now(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	return set
}

// rotate replaces the key's material in one write.
func (t *tenant) rotate(g *WithT) {
	t.set = t.material(g)
	t.secret.Data = t.set.Encode()
	g.Expect(t.admin.Update(context.Background(), t.secret)).To(Succeed())
}

// verifier returns a backend's verifier that accepts only the active version.
func (t *tenant) verifier(g *WithT) *signature.Verifier {
	key, err := signature.NewKey(signature.Material{
		Type: signature.HMAC, KeyID: t.set.Active.ID, Key: signature.Bytes(t.set.Active.Key), Secret: signature.Bytes(t.set.Active.Secret),
	})
	g.Expect(err).NotTo(HaveOccurred())
	verifier, err := signature.NewVerifier(key, signature.VerifierOptions{AllowUnsignedPayload: true})
	g.Expect(err).NotTo(HaveOccurred())
	return verifier
}

// signs returns an error unless the backend accepts what the signer signs.
func (t *tenant) signs(g *WithT, server *signer.Server, config *tls.Config) error {
	status, header := sign(g, server, config, t.namespace)
	if status != http.StatusOK {
		return fmt.Errorf("status %d", status)
	}
	_, err := t.verifier(g).VerifyRequest(&signature.Request{Method: "GET", Target: "/x?b=2", Host: host, Header: header})
	return err
}

func sign(g *WithT, server *signer.Server, config *tls.Config, namespace string) (int, http.Header) {
	g.THelper()
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprintf("https://%s/sign/%s/%s/API/orders", server.Address("sign"), namespace, gen.Environment), nil)
	g.Expect(err).NotTo(HaveOccurred())
	request.Header = http.Header{"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/x?b=2"}, "X-Forwarded-Host": {host}}
	response, err := (&http.Client{Transport: transport, Timeout: proc.Soon}).Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close() //nolint:errcheck // only read
	return response.StatusCode, response.Header
}

// get reads from the listener of metrics or probes.
func get(g Gomega, address net.Addr, path string) (int, string) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address.String()+path, http.NoBody)
	g.Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(text)
}

// start runs a signer with the identity and waits until it is ready. stop ends it
// and waits until it has ended.
func start(t *testing.T, identity *rest.Config, keys *testPKI, namespaces ...string) (server *signer.Server, stop func() error) {
	t.Helper()
	server, stop = launch(t, identity, keys, namespaces...)
	waitUntilReady(t, server)
	return server, stop
}

func waitUntilReady(t *testing.T, server *signer.Server) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		status, text := get(g, server.Address("probes"), "/readyz")
		g.Expect(status).To(Equal(http.StatusOK), text)
	}, proc.Soon, proc.Poll).Should(Succeed())
}

func launch(t *testing.T, identity *rest.Config, keys *testPKI, namespaces ...string) (server *signer.Server, stop func() error) {
	t.Helper()
	g := NewWithT(t)
	options := cmdsigner.DefaultOptions()
	options.Namespaces, options.TLS = namespaces, keys.files()
	for _, address := range []*string{
		&options.SignBindAddress, &options.EnvoyBindAddress, &options.ExtAuthzBindAddress, &options.VerifyBindAddress,
		&options.MetricsBindAddress, &options.HealthProbeBindAddress,
	} {
		*address = "127.0.0.1:0"
	}
	options.ShutdownDelay = 500 * time.Millisecond
	g.Expect(options.Validate()).To(Succeed())
	server, err := signer.NewServer(t.Context(), identity, options.Config, time.Now, testr.New(t))
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			_ = stop()
		}
	})
	return server, stop
}

func TestSignerOnACluster(t *testing.T) {
	g := NewWithT(t)
	ctrl.SetLogger(testr.New(t))
	cluster, err := env.Start(t.Context(), env.Options{Install: []string{"namespace", "signer"}})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cluster.Stop)
	admin := cluster.Admin
	install := func(folder string) {
		t.Helper()
		NewWithT(t).Expect(cluster.InstallConfig(t.Context(), folder, "")).To(Succeed())
	}
	identity, err := cluster.ServiceAccountConfig(t.Context(), env.SystemNamespace, env.SignerAccount)
	g.Expect(err).NotTo(HaveOccurred())
	keys := newPKI(t)
	t.Run("before the CRDs exist", func(t *testing.T) { waitsForKinds(t, identity, keys, func() { install("crd") }) })
	a, b := newTenant(g, admin, "team-a"), newTenant(g, admin, "team-b")
	for name, labels := range map[string]map[string]string{"other": nil, "source": {signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource}} {
		g.Expect(admin.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, Labels: labels}})).To(Succeed())
	}

	t.Run("as shipped for the cluster", func(t *testing.T) {
		server, stop := start(t, identity, keys)
		t.Run("two tenants", func(t *testing.T) { keepsTenantsApart(t, server, keys, a, b) })
		t.Run("changes", func(t *testing.T) { followsChanges(t, server, keys, a) })
		t.Run("metrics", func(t *testing.T) { exposesMetrics(t, server) })
		t.Run("shutdown", func(t *testing.T) { drains(t, server, keys, a, stop) })
	})
	t.Run("as shipped for single namespaces", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(admin.Delete(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "signet-signer"}})).To(Succeed())
		install("signer/namespaced")
		t.Run("missing permissions", func(t *testing.T) { reportsMissingPermissions(t, cluster, identity) })
		server, stop := start(t, identity, keys, "team-a", "team-b", "team-c")
		g.Expect(b.signs(g, server, keys.client("signet://sign/team-b"))).To(Succeed())
		status, _ := sign(g, server, keys.client("signet://sign/team-c"), "team-c")
		g.Expect(status).To(Equal(http.StatusServiceUnavailable))
		_, text := get(g, server.Address("metrics"), "/metrics")
		g.Expect(text).To(And(ContainSubstring(`signet_signer_namespace_served{namespace="team-b"} 1`), ContainSubstring(`signet_signer_namespace_served{namespace="team-c"} 0`)))
		g.Expect(stop()).To(Succeed())
	})
}

// A signer that starts before the CRDs exist waits: it is not ready and signs
// nothing.
func waitsForKinds(t *testing.T, identity *rest.Config, keys *testPKI, install func()) {
	g := NewWithT(t)
	_, stop := launch(t, identity, keys)
	g.Expect(stop()).To(Succeed(), "stopped while waiting")

	server, stop := launch(t, identity, keys)
	g.Eventually(func() string { _, text := get(g, server.Address("probes"), "/readyz"); return text }, proc.Soon, proc.Poll).Should(Equal("first snapshot not complete\n"))
	status, header := sign(g, server, keys.client("signet://sign/team-a"), "team-a")
	g.Expect(status).To(Equal(http.StatusServiceUnavailable))
	g.Expect(header).NotTo(HaveKey("Authorization"))
	install()
	waitUntilReady(t, server)
	g.Expect(stop()).To(Succeed())
}

// With Roles for two namespaces, the signer cannot sign for all.
func reportsMissingPermissions(t *testing.T, cluster *env.Cluster, identity *rest.Config) {
	g := NewWithT(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(cluster.WriteKubeconfig(identity, kubeconfig)).To(Succeed())
	const lacks = "system:serviceaccount:signet-system:signet-signer is not allowed to "
	want := lacks + "list, watch signaturekeys.signet.dev in the whole cluster; list, watch signaturebindings.signet.dev in the whole cluster; " +
		"list, watch secrets in the whole cluster: bind it to the roles in Signet's config/"
	arguments := []string{"--kubeconfig=" + kubeconfig}
	for _, listener := range []string{"sign", "envoy", "ext-authz", "verify", "metrics"} {
		arguments = append(arguments, "--"+listener+"-bind-address=127.0.0.1:0")
	}
	options, flags := cmdsigner.DefaultOptions(), pflag.NewFlagSet("signer", pflag.ContinueOnError)
	options.Bind(flags)
	g.Expect(flags.Parse(arguments)).To(Succeed())
	g.Expect(cmdsigner.Run(t.Context(), options)).To(MatchError(want))
}

func keepsTenantsApart(t *testing.T, server *signer.Server, keys *testPKI, a, b *tenant) {
	g := NewWithT(t)
	ofA, ofB := keys.client("signet://sign/team-a"), keys.client("signet://sign/team-b")
	g.Expect(a.signs(g, server, ofA)).To(Succeed())
	g.Expect(b.signs(g, server, ofB)).To(Succeed())
	for _, namespace := range []string{"team-b", "missing"} {
		status, _ := sign(g, server, ofA, namespace)
		g.Expect(status).To(Equal(http.StatusForbidden), namespace)
	}
	status, _ := sign(g, server, keys.client("signet://verify/team-a"), "team-a")
	g.Expect(status).To(Equal(http.StatusForbidden))
}

func followsChanges(t *testing.T, server *signer.Server, keys *testPKI, a *tenant) {
	g := NewWithT(t)
	config := keys.client("signet://sign/team-a")
	var slowest time.Duration
	for range 5 {
		a.rotate(g)
		begin := time.Now()
		g.Eventually(func() error { return a.signs(g, server, config) }, proc.Soon, proc.Poll).Should(Succeed())
		slowest = max(slowest, time.Since(begin))
	}
	t.Logf("the slowest of 5 rotations was in effect after %s", slowest)
	g.Expect(slowest).To(BeNumerically("<", time.Second))

	binding := &signetv1alpha1.SignatureBinding{}
	g.Expect(a.admin.Get(t.Context(), client.ObjectKey{Namespace: "team-a", Name: "orders"}, binding)).To(Succeed())
	binding.Spec.Environment = "staging"
	g.Expect(a.admin.Update(t.Context(), binding)).To(Succeed())
	g.Eventually(func() int { status, _ := sign(g, server, config, "team-a"); return status }, proc.Soon, proc.Poll).Should(Equal(http.StatusServiceUnavailable))
	binding.Spec.Environment = gen.Environment
	g.Expect(a.admin.Update(t.Context(), binding)).To(Succeed())
	g.Eventually(func() error { return a.signs(g, server, config) }, proc.Soon, proc.Poll).Should(Succeed())

	// The Secret is deleted and restored immediately: no request fails.
	g.Expect(a.admin.Delete(t.Context(), a.secret)).To(Succeed())
	g.Consistently(func() error { return a.signs(g, server, config) }, time.Second, proc.Poll).Should(Succeed())
	a.secret.ResourceVersion, a.secret.UID = "", ""
	g.Expect(a.admin.Create(t.Context(), a.secret)).To(Succeed())
	g.Expect(a.signs(g, server, config)).To(Succeed())
}

func exposesMetrics(t *testing.T, server *signer.Server) {
	g := NewWithT(t)
	status, text := get(g, server.Address("metrics"), "/metrics")
	g.Expect(status).To(Equal(http.StatusOK))
	for _, line := range []string{
		"signet_signer_snapshot_slots 2", "signet_signer_snapshot_secrets 2", "signet_signer_snapshot_complete 1",
		`signet_signer_change_effect_seconds_count{kind="Secret"} 6`, `signet_signer_change_effect_seconds_count{kind="SignatureBinding"} 2`,
		`signet_signer_requests_total{endpoint="verify",result="ok"} 0`, `signet_signer_unusable_total{endpoint="sign",reason="NoBinding"}`,
		`signet_signer_certificate_expiry_timestamp_seconds{certificate="serving"}`,
		`signet_signer_data_age_seconds{resource="secrets"}`,
	} {
		g.Expect(text).To(ContainSubstring("\n" + line))
	}
	g.Expect(text).NotTo(ContainSubstring("team-"))
	status, _ = get(g, server.Address("probes"), "/healthz")
	g.Expect(status).To(Equal(http.StatusOK))
}

func drains(t *testing.T, server *signer.Server, keys *testPKI, a *tenant, stop func() error) {
	g := NewWithT(t)
	config := keys.client("signet://sign/team-a")
	address := server.Address("sign").String()
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	g.Eventually(func() string { _, text := get(g, server.Address("probes"), "/readyz"); return text }, proc.Soon, proc.Poll).Should(Equal("shutting down\n"))
	g.Expect(a.signs(g, server, config)).To(Succeed(), "before gateways have noticed")
	g.Eventually(ended, proc.Soon).Should(Receive(Succeed()))
	_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	g.Expect(err).To(HaveOccurred())
	g.Expect(strings.Contains(err.Error(), "refused")).To(BeTrue(), err.Error())
}
