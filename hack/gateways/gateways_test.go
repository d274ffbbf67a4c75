package gateways_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-dev/signet/hack/gateways"
)

// TestGateways puts real gateways, with the configurations that config/gateways
// shows, before a real backend.
func TestGateways(t *testing.T) {
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
	plain, signed := freeAddress(t), freeAddress(t)
	addresses := func(listen, to string) map[string]string {
		return map[string]string{
			"server signet-signer.signet-system.svc:8443": "server " + w.signAddress, "orders.shop.svc:8080": w.backend.address,
			"listen " + listen: "listen " + to, "/etc/nginx/signet": w.clientCertificate(shop),
		}
	}
	write(t, filepath.Join(dir, "signed.conf"), w.shown(t, "nginx/signed.conf", addresses("8080", plain)))
	write(t, filepath.Join(dir, "signed-body.conf"), w.shown(t, "nginx/signed-body.conf", addresses("8081", signed)))
	write(t, filepath.Join(dir, "signet.js"), w.shown(t, "nginx/signet.js", nil))
	write(t, filepath.Join(dir, "nginx.conf"), nginxConf(dir, "signed.conf", "signed-body.conf"))
	start(t, dir, "nginx", nil, program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log"))
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
	plain, signed := freeAddress(t), freeAddress(t)
	port := func(address string) string { return address[strings.LastIndex(address, ":"):] }
	file := w.shown(t, "caddy/Caddyfile", map[string]string{
		"https://signet-signer.signet-system.svc:8443": "https://" + w.signAddress, "orders.shop.svc:8080": w.backend.address,
		"orders.example.com:8080": "orders.example.com" + port(plain), "orders.example.com:8081": "orders.example.com" + port(signed),
		"/etc/caddy/signet": w.clientCertificate(shop),
	})
	write(t, filepath.Join(dir, "Caddyfile"), "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tdefault_bind 127.0.0.1\n}\n"+file)
	start(t, dir, "caddy", []string{"HOME=" + dir}, program, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
	story(t, w, gateway{plain: plain, plainAPI: "API/orders", signed: signed, signedAPI: "API/orders-body"})
}

// nginxConf includes files of a folder as a distribution's nginx.conf does.
func nginxConf(dir string, files ...string) string {
	return strings.ReplaceAll(`
daemon off; master_process off; pid DIR/pid; error_log DIR/error.log info;
load_module /usr/lib/nginx/modules/ngx_http_js_module.so;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  js_path DIR;
  include DIR/`+strings.Join(files, ";\n  include DIR/")+`;
}`, "DIR", dir)
}
