// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// testTraefik has the Gateway API in it: routes, Gateways, bindings and traffic
// are one story.
func testTraefik(t *testing.T, f *fixture) {
	program, err := gateways.Traefik(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	f.installTraefik(t)
	dir := t.TempDir()
	address := proc.FreeAddress(t)
	port := address[strings.LastIndex(address, ":")+1:]
	static := f.shown(t, "traefik/traefik.yaml", map[string]string{
		`":8000"`: `"` + address + `"`, "kubernetesGateway: {}": "kubernetesGateway: {statusAddress: {ip: 127.0.0.1}}",
	})
	write(t, filepath.Join(dir, "traefik.yaml"), static)
	proc.Run(t, proc.Command{
		Program: program, Dir: dir, Log: filepath.Join(dir, "traefik.log"), Env: []string{"KUBECONFIG=" + f.Kubeconfig},
		Args: []string{"--configFile=" + filepath.Join(dir, "traefik.yaml")},
	})

	f.create(t, f.clientSecret(t, shop), f.clientSecret(t, other))
	f.serveBackend(t, shop, "orders")
	f.serveBackend(t, other, "orders")
	// The key and the binding of the file are made by the story.
	objects := f.withoutSignet(t, f.shown(t, "traefik/orders.yaml", map[string]string{
		"port: 8000": "port: " + port, "https://signet-signer.signet-system.svc:8443": "https://" + f.signAddress,
	}))
	write(t, filepath.Join(dir, "orders.yaml"), objects)
	f.kubectl(t, "apply", "-f", filepath.Join(dir, "orders.yaml"))
	t.Run("story", func(t *testing.T) { story(t, f, gateway{signed: address, signedAPI: "HTTPRoute/orders"}) })
	t.Run("another tenant", func(t *testing.T) { anotherTenant(t, f, dir, objects, address) })
	t.Run("the very file", func(t *testing.T) { theVeryFile(t, f, dir, port, address) })
}

func (f *fixture) installTraefik(tb testing.TB) {
	tb.Helper()
	list := exec.CommandContext(context.Background(), "go", "list", "-mod=mod", "-m", "-f", "{{.Dir}}", "github.com/traefik/traefik/v3")
	list.Dir = filepath.Join(f.Root, "hack", "e2e", "gateways", "traefik")
	module, err := list.Output()
	if err != nil {
		tb.Fatal(err)
	}
	crds, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), "docs/content/reference/dynamic-configuration/traefik.io_*.yaml"))
	if err != nil || len(crds) == 0 {
		tb.Fatalf("no CRDs of Traefik: %v", err)
	}
	for _, crd := range crds {
		f.kubectl(tb, "apply", "--server-side", "-f", crd)
	}
	f.create(tb, &gwapiv1.GatewayClass{
		ObjectMeta: metav1.ObjectMeta{Name: "traefik"}, Spec: gwapiv1.GatewayClassSpec{ControllerName: "traefik.io/gateway-controller"},
	})
}

// clientSecret is the certificate that lets a namespace sign for itself alone.
func (f *fixture) clientSecret(tb testing.TB, namespace string) *corev1.Secret {
	tb.Helper()
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "signet-signer-sign-" + namespace}, Type: corev1.SecretTypeTLS,
		Data: f.files(tb, f.clientCertificate(namespace), "tls.crt", "tls.key", "ca.crt"),
	}
}

func (f *fixture) files(tb testing.TB, dir string, names ...string) map[string][]byte {
	tb.Helper()
	data := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			tb.Fatal(err)
		}
		data[name] = text
	}
	return data
}

// serveBackend makes a Service of the backend: EndpointSlices take no loopback
// addresses, but a name may look like one.
func (f *fixture) serveBackend(tb testing.TB, namespace, name string) {
	tb.Helper()
	port := f.backend.address[strings.LastIndex(f.backend.address, ":")+1:]
	path := filepath.Join(f.Dir, "backend-"+namespace+".yaml")
	write(tb, path, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  ports: [{name: http, port: 8080, targetPort: %[3]s}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, namespace: %[2]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: FQDN
ports: [{name: http, port: %[3]s, protocol: TCP}]
endpoints: [{addresses: ["127.0.0.1"], conditions: {ready: true}}]
`, name, namespace, port))
	f.kubectl(tb, "apply", "-f", path)
}

// withoutSignet omits the documents of Signet's kinds.
func (f *fixture) withoutSignet(tb testing.TB, file string) string {
	tb.Helper()
	var rest []string
	for _, document := range strings.Split(file, "\n---\n") {
		if !strings.Contains(document, "apiVersion: signet.dev/") {
			rest = append(rest, document)
		}
	}
	return strings.Join(rest, "\n---\n")
}

// anotherTenant points a Middleware of its own at the shop's slot.
func anotherTenant(t *testing.T, f *fixture, dir, objects, address string) {
	f.create(t, gen.SignatureKey("orders"), gen.SignatureBinding("orders-body", "orders", gen.WithPayload(signetv1alpha1.PayloadSigned), listing("HTTPRoute/orders")))
	t.Cleanup(func() { f.forget(t) })
	f.waitFor(t, "orders-body", signetv1alpha1.ReasonBound)
	otherTenant := strings.ReplaceAll(objects, "namespace: shop", "namespace: other")
	otherTenant = strings.ReplaceAll(otherTenant, "signet-signer-sign-shop", "signet-signer-sign-other")
	otherTenant = strings.ReplaceAll(otherTenant, host, "other.example.com")
	if !strings.Contains(otherTenant, "/sign/shop/RELEASE/HTTPRoute/orders") {
		t.Fatal("the tenant does not point at the shop's slot")
	}
	write(t, filepath.Join(dir, "other.yaml"), otherTenant)
	f.kubectl(t, "apply", "-f", filepath.Join(dir, "other.yaml"))
	before := f.backend.count()
	proc.Eventually(t, "the other tenant to be refused", func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/orders", http.NoBody)
		if err != nil {
			return err
		}
		request.Host = "other.example.com"
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			return fmt.Errorf("answered %s", response.Status)
		}
		return nil
	})
	if f.backend.count() != before {
		t.Error("the backend was called")
	}
	f.kubectl(t, "delete", "-f", filepath.Join(dir, "other.yaml"))
}

// theVeryFile applies all that the page shows, key and binding included.
func theVeryFile(t *testing.T, f *fixture, dir, port, address string) {
	all := f.shown(t, "traefik/orders.yaml", map[string]string{
		"port: 8000": "port: " + port, "https://signet-signer.signet-system.svc:8443": "https://" + f.signAddress,
	})
	write(t, filepath.Join(dir, "all.yaml"), all)
	f.kubectl(t, "apply", "-f", filepath.Join(dir, "all.yaml"))
	t.Cleanup(func() { f.forget(t) })
	f.waitFor(t, "orders", signetv1alpha1.ReasonBound)
	f.backend.accept("signed", slot{path: "/verify/shop/RELEASE/HTTPRoute/orders", keys: keySet(t, f, 0, "orders"), signed: true})
	proc.Eventually(t, "a request to be signed", func() error {
		got, err := send(address, raw{method: "POST", target: "/orders", body: []byte("body"), api: "signed"})
		if err == nil && got.status != http.StatusOK {
			err = statusError(got)
		}
		return err
	})
}
