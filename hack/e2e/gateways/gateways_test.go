package gateways_test

import (
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
	w := newWorld(t)
	t.Run("nginx", func(t *testing.T) { testNginx(t, w) })
	t.Run("Caddy", func(t *testing.T) { testCaddy(t, w) })
	t.Run("Traefik", func(t *testing.T) { testTraefik(t, w) })
}

func testNginx(t *testing.T, w *world) {
	program, err := gateways.Nginx()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plain, signed := proc.FreeAddress(t), proc.FreeAddress(t)
	addresses := func(listen, to string) map[string]string {
		return map[string]string{
			"server signet-signer.signet-system.svc:8443": "server " + w.signAddress, "orders.shop.svc:8080": w.backend.address,
			"listen " + listen: "listen " + to, "/etc/nginx/signet": w.clientCertificate(shop),
		}
	}
	write(t, filepath.Join(dir, "signed.conf"), w.shown(t, "nginx/signed.conf", addresses("8080", plain)))
	write(t, filepath.Join(dir, "signed-body.conf"), w.shown(t, "nginx/signed-body.conf", addresses("8081", signed)))
	write(t, filepath.Join(dir, "signet.js"), w.shown(t, "nginx/signet.js", nil))
	write(t, filepath.Join(dir, "nginx.conf"), gateways.NginxConf(dir, "signed.conf", "signed-body.conf"))
	proc.Start(t, dir, "nginx", nil, program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log"))
	story(t, w, gateway{
		plain: plain, plainAPI: "API/orders", signed: signed, signedAPI: "API/orders-body", exact: true, repeated: 400,
	})
}

func testCaddy(t *testing.T, w *world) {
	program, err := gateways.Caddy(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plain, signed := proc.FreeAddress(t), proc.FreeAddress(t)
	port := func(address string) string { return address[strings.LastIndex(address, ":"):] }
	file := w.shown(t, "caddy/Caddyfile", map[string]string{
		"https://signet-signer.signet-system.svc:8443": "https://" + w.signAddress, "orders.shop.svc:8080": w.backend.address,
		"orders.example.com:8080": "orders.example.com" + port(plain), "orders.example.com:8081": "orders.example.com" + port(signed),
		"/etc/caddy/signet": w.clientCertificate(shop),
	})
	write(t, filepath.Join(dir, "Caddyfile"), gateways.CaddyOptions+file)
	proc.Start(t, dir, "caddy", []string{"HOME=" + dir}, program, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
	story(t, w, gateway{plain: plain, plainAPI: "API/orders", signed: signed, signedAPI: "API/orders-body"})
}
