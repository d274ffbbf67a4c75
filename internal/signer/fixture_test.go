// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/pki"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	team        = "team-a"
	environment = gen.Environment
	slotPath    = "team-a/RELEASE/API/orders"
	host        = "orders.example"
)

var signatureHeaders = []string{"Authorization", "X-Sdk-Date", "X-Sdk-Content-Sha256"}

// fixture is a signer that signs for API orders of team-a.
type fixture struct {
	t        testing.TB
	signer   *Signer
	store    *snapshot.Store
	registry *prometheus.Registry
	binding  *signetv1alpha1.SignatureBinding
	set      *material.Set
	log      *logBuffer
	// callQuota is the quota of the endpoint that serveGRPC serves.
	callQuota *fairLimiter
}

// logBuffer collects the signer's log.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) add(prefix, args string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(&b.text, prefix, args)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func testLimits() Limits {
	return Limits{MaxBody: 1 << 16, MaxHeader: 8 << 10, ReadTimeout: 2 * time.Second, MaxConnections: 64, FailureRate: 0.001, FailureBurst: 5}
}

func newFixture(t testing.TB, how ...func(*signetv1alpha1.SignatureBinding)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: snapshot.New(), registry: prometheus.NewRegistry(), log: &logBuffer{}}
	f.binding = f.add("orders", signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC}, how...)
	f.store.Complete(time.Now())
	metrics := NewMetrics(f.registry, f.store, time.Now)
	f.signer = New(f.store, testLimits(), time.Now, metrics, f.logger())
	return f
}

func (f *fixture) logger() logr.Logger { return funcr.New(f.log.add, funcr.Options{}) }

// add adds a key with material and a binding of the same name to the store.
func (f *fixture) add(name string, spec signetv1alpha1.SignatureKeySpec, how ...func(*signetv1alpha1.SignatureBinding)) *signetv1alpha1.SignatureBinding {
	f.t.Helper()
	in := gen.InNamespace(team)
	key := gen.SignatureKey(name, in)
	key.Spec = spec
	set, err := material.First(key, material.Supplied{}, time.Now(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	secret := gen.ManagedSecret(key, set.Encode())
	binding := gen.SignatureBinding(name, name, in, gen.WithAPIs(name), gen.Holding(time.Now()))
	for _, change := range how {
		change(binding)
	}
	f.store.SetKey(key, time.Now())
	f.store.SetSecret(secret, time.Now())
	f.store.SetBinding(binding, time.Now())
	if name == "orders" {
		f.set = set
	}
	return binding
}

func signedPayload(binding *signetv1alpha1.SignatureBinding) {
	binding.Spec.Payload = signetv1alpha1.PayloadSigned
}

// serve serves an HTTP endpoint in plain text on loopback.
func (f *fixture) serve(handler http.Handler) string {
	f.t.Helper()
	opened, err := (&net.ListenConfig{}).Listen(f.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	server := httpServer(handler, f.signer.limits, nil, f.logger())
	go func() { _ = server.Serve(opened) }()
	f.t.Cleanup(func() { _ = server.Close() })
	return opened.Addr().String()
}

// sendRaw sends the bytes unchanged and reads the response.
func sendRaw(t testing.TB, address, request string) *http.Response {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close() //nolint:errcheck // only read
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	if connection, ok := connection.(*net.TCPConn); ok {
		_ = connection.CloseWrite() // a missing part of the body will not follow
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	checkResponse(t, response)
	return response
}

// checkResponse checks the rule for every response: 200 has all three headers, and
// no other status has any of them. The verify endpoint responds with 204.
func checkResponse(t testing.TB, response *http.Response) {
	t.Helper()
	for _, name := range append(signatureHeaders, "X-Signature") {
		value := response.Header.Get(name)
		switch {
		case response.StatusCode == http.StatusOK && value == "" && name != "X-Signature" && response.Header.Get("X-Signature") == "":
			t.Fatalf("%d without %s", response.StatusCode, name)
		case response.StatusCode != http.StatusOK && value != "":
			t.Fatalf("%d with %s: %s", response.StatusCode, name, value)
		}
	}
	if response.StatusCode > 200 && response.StatusCode < 400 && response.StatusCode != http.StatusNoContent {
		t.Fatalf("status %d", response.StatusCode)
	}
}

// forwardedRequest returns what a gateway sends, with further headers.
func forwardedRequest(path, method, uri, host string, headers ...string) string {
	lines := []string{
		"GET " + path + " HTTP/1.1", "Host: signer.example",
		"X-Forwarded-Method: " + method, "X-Forwarded-Uri: " + uri, "X-Forwarded-Host: " + host,
	}
	return strings.Join(append(lines, headers...), "\r\n") + "\r\n\r\n"
}

// expectVerified expects that a backend accepts the signature.
func (f *fixture) expectVerified(request *signature.Request, options signature.VerifierOptions) {
	f.t.Helper()
	grant, err := f.store.Snapshot().Lookup(slots.Slot{Namespace: team, Environment: environment, Kind: "API", Name: "orders"}, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	verifier, err := signature.NewVerifier(grant, options)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := verifier.VerifyRequest(request); err != nil {
		f.t.Fatalf("verify %s %s: %v", request.Method, request.Target, err)
	}
}

var unsigned = signature.VerifierOptions{AllowUnsignedPayload: true}

// connWith returns the connection of a client whose certificate has the URIs.
func connWith(t testing.TB, uris ...string) *trackedConn {
	t.Helper()
	certificate := &x509.Certificate{NotAfter: time.Now().Add(time.Hour), Raw: []byte(strings.Join(uris, " "))}
	for _, text := range uris {
		uri, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		certificate.URIs = append(certificate.URIs, uri)
	}
	opened, other := net.Pipe()
	t.Cleanup(func() { _ = other.Close() })
	certs := &certificates{}
	certs.current.Store(&tls.Config{})
	conn := &trackedConn{Conn: opened, listener: newTrackingListener(nil, 1, nil), certificates: certs, intermediates: x509.NewCertPool()}
	conn.caller = newCaller(certificate, conn)
	conn.verified.Store(&verifiedPeer{until: certificate.NotAfter})
	conn.listener.quota.acquire(conn.caller.identity)
	return conn
}

// withConn returns the request as received on the connection.
func withConn(request *http.Request, conn *trackedConn) *http.Request {
	return request.WithContext(context.WithValue(request.Context(), connKey{}, conn))
}

// testPKI issues certificates and writes them to files.
type testPKI struct {
	t         testing.TB
	dir       string
	authority *pki.Authority
	pool      *x509.CertPool
}

func newPKI(t testing.TB) *testPKI {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	p := &testPKI{t: t, dir: t.TempDir(), authority: authority, pool: x509.NewCertPool()}
	data, err := authority.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p.pool.AppendCertsFromPEM(data["ca.crt"])
	return p
}

// files writes a server certificate and the authority of the clients.
func (p *testPKI) files() TLSFiles {
	p.t.Helper()
	issued, err := p.authority.Issue(pki.Subject{Name: "signer", Hosts: []string{"127.0.0.1"}}, time.Now(), time.Hour)
	if err != nil {
		p.t.Fatal(err)
	}
	data, err := p.authority.EncodeIssued(issued)
	if err != nil {
		p.t.Fatal(err)
	}
	for name, text := range data {
		if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return TLSFiles{Certificate: filepath.Join(p.dir, "tls.crt"), Key: filepath.Join(p.dir, "tls.key"), ClientCA: filepath.Join(p.dir, "ca.crt")}
}

// client returns a configuration with a certificate for the URIs, or without one.
func (p *testPKI) client(uris ...string) *tls.Config {
	p.t.Helper()
	return p.clientUntil(time.Hour, uris...)
}

func (p *testPKI) clientUntil(validity time.Duration, uris ...string) *tls.Config {
	p.t.Helper()
	config := &tls.Config{RootCAs: p.pool, MinVersion: tls.VersionTLS12}
	if len(uris) == 0 {
		return config
	}
	subject := pki.Subject{Name: "client"}
	for _, text := range uris {
		uri, err := url.Parse(text)
		if err != nil {
			p.t.Fatal(err)
		}
		subject.URIs = append(subject.URIs, uri)
	}
	issued, err := p.authority.Issue(subject, time.Now(), validity)
	if err != nil {
		p.t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{*issued}
	return config
}

func (f *fixture) keySpec() signetv1alpha1.SignatureKeySpec {
	return signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC}
}
