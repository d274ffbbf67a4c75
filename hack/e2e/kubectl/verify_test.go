// SPDX-License-Identifier: Apache-2.0

package kubectl

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// testVerify has the running signer sign, and saves the request as a backend
// gets it.
func testVerify(t *testing.T, w *fixture) {
	const body = `{"order": 1}`
	signed := w.sign(t, "/v1/orders?page=2", "orders.example.com", body)
	saved := func(name, target, body string) string {
		request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: orders.example.com\r\nContent-Length: %d\r\n", target, len(body))
		for _, header := range []string{"X-Signature", "X-Sdk-Date", "X-Sdk-Content-Sha256"} {
			request += header + ": " + signed.Get(header) + "\r\n"
		}
		path := filepath.Join(w.dir, name)
		must(t, os.WriteFile(path, []byte(request+"\r\n"+body), 0o600))
		return path
	}
	verify := func(key, file string) (string, string, int) {
		return w.signet(t, "verify", key, "-f", file, "--header", "X-Signature", "-n", shop)
	}
	out, problems, code := verify("orders", saved("right.http", "/v1/orders?page=2", body))
	if code != 0 || !strings.HasPrefix(out, "The request is signed with version ") {
		t.Errorf("refused: %d %s%s", code, out, problems)
	}
	// Both ids are on the wire anyway.
	if out, _, _ := verify("payments", saved("key.http", "/v1/orders?page=2", body)); !strings.Contains(out, " signed the request, but the ID of this key is payments_app\n") {
		t.Errorf("does not name the ids: %s", out)
	}
	for name, test := range map[string]struct{ key, file, want string }{
		"path":      {"orders", saved("path.http", "/shop/v1/orders?page=2", body), "Difference: path or query: /v1/orders?page=2 was signed, not /shop/v1/orders?page=2; sign after rewrites\n"},
		"unknown":   {"orders", saved("unknown.http", "/v1/orders?page=3", body), "Difference: unknown: "},
		"body":      {"orders", saved("body.http", "/v1/orders?page=2", body+" "), "Difference: the body\n"},
		"other key": {"payments", saved("key.http", "/v1/orders?page=2", body), "Refused: no accepted key has this algorithm and ID\nDifference: the key: SDK-HMAC-SHA256 Access="},
	} {
		out, problems, code := verify(test.key, test.file)
		if code != 1 || !strings.Contains(out, test.want) || problems != "error: request refused\n" {
			t.Errorf("%s: got %d %q %q, want %q", name, code, out, problems, test.want)
		}
	}
}

// sign calls the signer as Traefik does, with the shop's certificate.
func (w *fixture) sign(t *testing.T, target, host, body string) http.Header {
	t.Helper()
	dir := w.mount(t, shop, "signet-signer-sign-shop")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	must(t, err)
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	must(t, err)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	gateway := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{certificate}, RootCAs: trusted, MinVersion: tls.VersionTLS12,
	}}}
	defer gateway.CloseIdleConnections()
	var headers http.Header
	proc.Eventually(t, "a signature", func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			"https://"+w.signAddress+"/sign/shop/RELEASE/HTTPRoute/orders", strings.NewReader(body))
		if err != nil {
			return err
		}
		for name, value := range map[string]string{"Method": "POST", "Uri": target, "Host": host} {
			request.Header.Set("X-Forwarded-"+name, value)
		}
		response, err := gateway.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(response.Body)
			return errors.New(response.Status + ": " + string(text))
		}
		headers = response.Header
		return nil
	})
	return headers
}
