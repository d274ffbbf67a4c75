// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// TestGateways puts real gateways, with the configurations that config/gateways
// shows, before a real backend.
func TestGateways(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	t.Run("nginx", func(t *testing.T) { testNginx(t, f) })
	t.Run("nginx, limits", func(t *testing.T) { testNginxLimits(t, f) })
	t.Run("Caddy", func(t *testing.T) { testCaddy(t, f) })
	t.Run("Envoy", func(t *testing.T) { testEnvoy(t, f) })
	t.Run("Traefik", func(t *testing.T) { testTraefik(t, f) })
}

func testNginx(t *testing.T, f *fixture) {
	plain, signed := startNginx(t, f, nil)
	story(t, f, gateway{
		plain: plain, plainAPI: "API/orders", signed: signed, signedAPI: "API/orders-body", exact: true, repeated: 400,
	})
}

// startNginx starts nginx with both files, in which a user may have changed lines.
func startNginx(t *testing.T, f *fixture, changed map[string]string) (plain, signed string) {
	t.Helper()
	program, err := gateways.Nginx()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plain, signed = proc.FreeAddress(t), proc.FreeAddress(t)
	addresses := func(listen, to string) map[string]string {
		all := map[string]string{
			"server signet-signer.signet-system.svc:8443": "server " + f.signAddress, "orders.shop.svc:8080": f.backend.address,
			"listen " + listen: "listen " + to, "/etc/nginx/signet": f.clientCertificate(shop),
		}
		maps.Copy(all, changed)
		return all
	}
	write(t, filepath.Join(dir, "signed.conf"), f.shown(t, "nginx/signed.conf", addresses("8080", plain)))
	write(t, filepath.Join(dir, "signed-body.conf"), f.shown(t, "nginx/signed-body.conf", addresses("8081", signed)))
	write(t, filepath.Join(dir, "signet.js"), f.shown(t, "nginx/signet.js", nil))
	conf, err := gateways.NginxConfWithJS(t.Context(), dir, "signed.conf", "signed-body.conf")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "nginx.conf"), conf)
	proc.Run(t, proc.Command{
		Program: program, Dir: dir, Log: filepath.Join(dir, "nginx.log"),
		Args: []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log")},
	})
	return plain, signed
}

func testCaddy(t *testing.T, f *fixture) {
	program, err := gateways.Caddy(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plain, signed := proc.FreeAddress(t), proc.FreeAddress(t)
	port := func(address string) string { return address[strings.LastIndex(address, ":"):] }
	file := f.shown(t, "caddy/Caddyfile", map[string]string{
		"https://signet-signer.signet-system.svc:8443": "https://" + f.signAddress, "orders.shop.svc:8080": f.backend.address,
		"orders.example.com:8080": "orders.example.com" + port(plain), "orders.example.com:8081": "orders.example.com" + port(signed),
		"/etc/caddy/signet": f.clientCertificate(shop),
	})
	write(t, filepath.Join(dir, "Caddyfile"), gateways.CaddyOptions+file)
	proc.Run(t, proc.Command{
		Program: program, Dir: dir, Log: filepath.Join(dir, "caddy.log"), Env: []string{"HOME=" + dir},
		Args: []string{"run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile"},
	})
	story(t, f, gateway{plain: plain, plainAPI: "API/orders", signed: signed, signedAPI: "API/orders-body"})
}
