// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	signerAccount = "signet-signer"
	// signerName is the name of the signer in the sample configurations.
	signerName = "signet-signer.signet-system.svc"
	// demoAPI is a slot of the samples.
	demoAPI  = namespace + "/RELEASE/HTTPRoute/orders"
	demoHost = "orders.example.com"
)

// traffic are the addresses that a request passes.
type traffic struct{ signer, gateway, backend string }

// showTraffic sends one request through the gateway and one that bypasses it.
func (d *demo) showTraffic(ctx context.Context) error {
	var at traffic
	for _, step := range []func(context.Context, *traffic) error{d.startSigner, d.startBackend, d.startGateway} {
		if err := step(ctx, &at); err != nil {
			return err
		}
	}
	d.screen.chapter("A request through the gateway, and one that bypasses it")
	d.expect(ctx, "the backend accepts the request through the gateway", patience, func(ctx context.Context) error {
		return wantStatus(ctx, at.gateway, http.StatusOK)
	})
	d.expect(ctx, "and refuses the one that bypasses it", patience, func(ctx context.Context) error {
		return wantStatus(ctx, at.backend, http.StatusUnauthorized)
	})
	for _, address := range []string{at.gateway, at.backend} {
		d.screen.command("curl -H 'Host: " + demoHost + "' http://" + address + "/orders?page=1")
		status, body, err := ask(ctx, address)
		if err != nil {
			return fmt.Errorf("call %s: %w", address, err)
		}
		d.screen.output(status + ": " + strings.TrimSpace(body))
	}
	return nil
}

// startSigner runs the signer under its own role, with certificates from
// `signet certs`.
func (d *demo) startSigner(ctx context.Context, at *traffic) error {
	d.screen.chapter("The signer")
	d.screen.say("The same binary with another identity: it lists and watches, and writes nothing. Gateways use a client certificate that " +
		"names the namespace that they may sign for.")
	if err := d.cluster.Install(ctx, "config/signer", controlplane.InstallOptions{}); err != nil {
		return fmt.Errorf("install config/signer: %w", err)
	}
	certs := d.certs()
	args := []string{"certs", "--out=" + certs, "--server=" + signerName + ",127.0.0.1", "--sign=" + namespace}
	d.screen.command("signet " + strings.Join(args, " "))
	output, err := exec.CommandContext(ctx, d.binary, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("create certificates: %w\n%s", err, output)
	}
	d.screen.output(strings.TrimSpace(string(output)))
	kubeconfig, err := d.kubeconfigOf(ctx, signerAccount)
	if err != nil {
		return err
	}
	addresses, err := freeAddresses(2)
	if err != nil {
		return err
	}
	at.signer = addresses[0]
	args = []string{
		"signer", "--kubeconfig=" + kubeconfig, "--sign-bind-address=" + at.signer,
		"--envoy-bind-address=0", "--ext-authz-bind-address=0", "--verify-bind-address=0",
		"--tls-cert=" + filepath.Join(certs, "server", "tls.crt"), "--tls-key=" + filepath.Join(certs, "server", "tls.key"),
		"--client-ca=" + filepath.Join(certs, "ca", "ca.crt"),
		"--metrics-bind-address=0", "--health-probe-bind-address=" + addresses[1], "--shutdown-delay=0s",
	}
	d.screen.command("signet " + strings.Join(args, " \\\n    "))
	signer, err := d.start("signer", d.binary, d.logOf("signer"), args)
	if err != nil {
		return err
	}
	d.traffic = append(d.traffic, signer)
	if err := signer.WaitReady(ctx, "http://"+addresses[1]+"/readyz"); err != nil {
		return err
	}
	d.screen.met("the signer is ready")
	return nil
}

func (d *demo) certs() string { return filepath.Join(d.cluster.Dir, "certs") }

// startBackend serves an API that verifies with api/signature. A folder replaces
// the mounted Secret of a Pod.
func (d *demo) startBackend(ctx context.Context, at *traffic) error {
	d.screen.chapter("A backend")
	d.screen.say("An HTTP server that is wrapped in the handler of api/signature. It accepts the versions in a folder with the data of the " +
		"managed Secret orders, as a Pod would mount it.")
	mounted := &gateways.Mount{Dir: filepath.Join(d.cluster.Dir, "mounted")}
	if err := os.Mkdir(mounted.Dir, 0o700); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	if err := mounted.Update(ctx, d.admin, d.sample(holder)); err != nil {
		return fmt.Errorf("mount Secret %q: %w", holder, err)
	}
	keys, err := signature.NewKeySet([]string{mounted.Dir}, signature.KeySetOptions{Interval: time.Second})
	if err != nil {
		return fmt.Errorf("read mounted keys: %w", err)
	}
	go mounted.Follow(ctx, d.admin, d.sample(holder))
	go func() { _ = keys.Run(ctx) }()
	verifier, err := signature.NewVerifier(keys, signature.VerifierOptions{AllowUnsignedPayload: true})
	if err != nil {
		return fmt.Errorf("create verifier: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	at.backend = listener.Addr().String()
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "orders for %s, signed by the gateway\n", r.RequestURI) //nolint:gosec // plain text for curl
		})),
	}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	d.screen.met("the backend listens at " + at.backend)
	return nil
}

// startGateway starts nginx if it is installed, else Caddy, with the configuration
// of config/gateways.
func (d *demo) startGateway(ctx context.Context, at *traffic) error {
	d.screen.chapter("A gateway")
	address, err := proc.FindAddress()
	if err != nil {
		return err
	}
	at.gateway = address
	dir := filepath.Join(d.cluster.Dir, "gateway")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	start := d.startNginx
	program, err := gateways.Nginx()
	if err != nil {
		d.screen.say("nginx is not installed: Caddy is built from source, which takes some minutes the first time.")
		if program, err = gateways.Caddy(ctx, d.screen.w); err != nil {
			return err
		}
		start = d.startCaddy
	}
	return start(program, dir, at)
}

func (d *demo) startNginx(program, dir string, at *traffic) error {
	const shown = "nginx/signed.conf"
	d.screen.say("nginx, with config/gateways/" + shown + ", adapted to the addresses of this machine.")
	text, err := gateways.ShippedConfig(shown, map[string]string{
		"server signet-signer.signet-system.svc:8443": "server " + at.signer, "orders.shop.svc:8080": at.backend,
		"listen 8080": "listen " + at.gateway, "/sign/shop/RELEASE/API/orders": "/sign/" + demoAPI,
		"/etc/nginx/signet": filepath.Join(d.certs(), "sign-"+namespace),
	})
	if err != nil {
		return err
	}
	files := map[string]string{"signed.conf": text, "nginx.conf": gateways.NginxConf(dir, "signed.conf")}
	return d.runGateway(dir, files, program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log"))
}

func (d *demo) startCaddy(program, dir string, at *traffic) error {
	const shown = "caddy/Caddyfile"
	d.screen.say("Caddy, with config/gateways/" + shown + ", adapted to the addresses of this machine.")
	_, port, err := net.SplitHostPort(at.gateway)
	if err != nil {
		return fmt.Errorf("parse address: %w", err)
	}
	text, err := gateways.ShippedConfig(shown, map[string]string{
		"https://signet-signer.signet-system.svc:8443": "https://" + at.signer, "orders.shop.svc:8080": at.backend,
		"orders.example.com:8080": "orders.example.com:" + port, "orders.example.com:8081": "orders.example.com:0",
		"/sign/shop/RELEASE/API/orders?": "/sign/" + demoAPI + "?",
		"/etc/caddy/signet":              filepath.Join(d.certs(), "sign-"+namespace),
	})
	if err != nil {
		return err
	}
	files := map[string]string{"Caddyfile": gateways.CaddyOptions + text}
	return d.runGateway(dir, files, program, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
}

func (d *demo) runGateway(dir string, files map[string]string, program string, args ...string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write gateway configuration: %w", err)
		}
	}
	gateway, err := d.start("gateway", program, filepath.Join(dir, "log"), args)
	if err != nil {
		return err
	}
	d.traffic = append(d.traffic, gateway)
	return nil
}

func freeAddresses(count int) ([]string, error) {
	addresses := make([]string, count)
	for i := range addresses {
		var err error
		if addresses[i], err = proc.FindAddress(); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}

func ask(ctx context.Context, address string) (status, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/orders?page=1", http.NoBody)
	if err != nil {
		return "", "", err
	}
	request.Host = demoHost
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", "", err
	}
	text, err := io.ReadAll(response.Body)
	return response.Status, string(text), errors.Join(err, response.Body.Close())
}

func wantStatus(ctx context.Context, address string, want int) error {
	status, body, err := ask(ctx, address)
	if err == nil && !strings.HasPrefix(status, fmt.Sprint(want)) {
		err = fmt.Errorf("responded with %s: %s", status, body)
	}
	return err
}
