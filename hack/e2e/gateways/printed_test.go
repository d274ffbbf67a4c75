// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
	"github.com/signet-dev/signet/internal/pki"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// TestPrintedConfigurations has nginx and Caddy read what `kubectl signet
// explain --gateway` prints for bindings that are not like those of the shown
// files, which run in the other tests.
func TestPrintedConfigurations(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*signetv1alpha1.SignatureBindingSpec){
		"other header": func(spec *signetv1alpha1.SignatureBindingSpec) { spec.SignatureHeader = "X-Signature" },
		"other host":   func(spec *signetv1alpha1.SignatureBindingSpec) { spec.BackendHost = "orders.internal" },
		"everything": func(spec *signetv1alpha1.SignatureBindingSpec) {
			spec.Payload, spec.SignatureHeader, spec.BackendHost = signetv1alpha1.PayloadSigned, "X-Signature", "orders.internal"
			spec.SignedHeaders = []string{"content-type"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			nginxReads(t, printed(t, view.GatewayNginx, change))
			caddyReads(t, printed(t, view.GatewayCaddy, change))
		})
	}
}

func printed(t *testing.T, gateway string, change func(*signetv1alpha1.SignatureBindingSpec)) string {
	t.Helper()
	api := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders")
	binding := gen.SignatureBinding("orders", "orders", listing("API/orders"))
	binding.Namespace = shop
	change(&binding.Spec)
	text, err := view.GatewayConfig(gateway, view.API{APIReference: api, Namespace: shop}, "", []signetv1alpha1.SignatureBinding{*binding}, env.SystemNamespace)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func nginxReads(t *testing.T, text string) {
	t.Helper()
	program, err := gateways.Nginx()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certify(t, dir)
	const heading = "# /etc/nginx/signet/signet.js:\n#\n"
	configuration, script, _ := strings.Cut(text, heading)
	var lines []string
	for _, line := range strings.Split(script, "\n") {
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
	}
	write(t, filepath.Join(dir, "signet.js"), strings.Join(lines, "\n"))
	write(t, filepath.Join(dir, "printed.conf"), strings.NewReplacer(
		"server signet-signer.signet-system.svc:8443", "server 127.0.0.1:8443", "orders.shop.svc:8080", "127.0.0.1:8080",
		"/etc/nginx/signet", dir).Replace(configuration))
	conf, err := gateways.NginxConfWithJS(t.Context(), dir, "printed.conf")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "nginx.conf"), conf)
	reads(t, exec.CommandContext(t.Context(), program, "-t", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log")), text)
}

func caddyReads(t *testing.T, text string) {
	t.Helper()
	program, err := gateways.Caddy(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certify(t, dir)
	write(t, filepath.Join(dir, "Caddyfile"), gateways.CaddyOptions+strings.ReplaceAll(text, "/etc/caddy/signet", dir))
	validate := exec.CommandContext(t.Context(), program, "validate", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
	validate.Env = append(os.Environ(), "HOME="+dir)
	reads(t, validate, text)
}

func reads(t *testing.T, program *exec.Cmd, text string) {
	t.Helper()
	if output, err := program.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", filepath.Base(program.Path), err, output, text)
	}
}

// certify writes the files that a gateway's certificate is in.
func certify(t *testing.T, dir string) {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	uri := &url.URL{Scheme: "signet", Host: "sign", Path: "/" + shop}
	issued, err := authority.Issue(pki.Subject{Name: uri.String(), URIs: []*url.URL{uri}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	data, err := authority.EncodeIssued(issued)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range data {
		write(t, filepath.Join(dir, name), string(content))
	}
}
