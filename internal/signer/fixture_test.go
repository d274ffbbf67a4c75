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
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/webhookcert"
)

const (
	team        = "team-a"
	environment = "RELEASE"
	slotPath    = "team-a/RELEASE/API/orders"
	host        = "orders.example"
)

var three = []string{"Authorization", "X-Sdk-Date", "X-Sdk-Content-Sha256"}

// bench is a signer in which API orders of team-a is signed, and what to call
// it with.
type bench struct {
	t        testing.TB
	signer   *Signer
	store    *snapshot.Store
	registry *prometheus.Registry
	binding  *signetv1alpha1.SignatureBinding
	set      *material.Set
	log      *lockedBuffer
	// calls are the places of the face that secureGRPC serves.
	calls *fairLimiter
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) add(prefix, args string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(&b.text, prefix, args)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func testLimits() Limits {
	return Limits{MaxBody: 1 << 16, MaxHeader: 8 << 10, ReadTimeout: 2 * time.Second, MaxConnections: 64, FailureRate: 0.001, FailureBurst: 5}
}

func newBench(t testing.TB, how ...func(*signetv1alpha1.SignatureBinding)) *bench {
	t.Helper()
	b := &bench{t: t, store: snapshot.New(), registry: prometheus.NewRegistry(), log: &lockedBuffer{}}
	b.binding = b.add(team, "orders", signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC}, how...)
	b.store.Complete(time.Now())
	metrics := NewMetrics(b.registry, b.store, time.Now)
	b.signer = New(b.store, testLimits(), time.Now, metrics, b.logger())
	return b
}

func (b *bench) logger() logr.Logger { return funcr.New(b.log.add, funcr.Options{}) }

// add puts a key of that name, with material and a binding, into the store.
func (b *bench) add(namespace, name string, spec signetv1alpha1.SignatureKeySpec, how ...func(*signetv1alpha1.SignatureBinding)) *signetv1alpha1.SignatureBinding {
	b.t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	key := &signetv1alpha1.SignatureKey{ObjectMeta: meta, Spec: spec}
	set, err := material.First(key, material.Supplied{}, time.Now(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: meta, Type: signetv1alpha1.SecretType, Data: set.Encode()}
	secret.Labels = map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged, signetv1alpha1.LabelKey: name}
	binding := &signetv1alpha1.SignatureBinding{
		ObjectMeta: meta,
		Spec: signetv1alpha1.SignatureBindingSpec{
			KeyRef: signetv1alpha1.LocalReference{Name: name}, Environment: environment,
			APIs: []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, name)},
		},
		Status: signetv1alpha1.SignatureBindingStatus{
			Environment: environment, KeyName: name,
			APIs: []signetv1alpha1.APIStatus{{Group: signetv1alpha1.APIKindAPI.Group(), Kind: signetv1alpha1.APIKindAPI, Name: name, State: signetv1alpha1.APIBound, BoundAt: &metav1.Time{Time: time.Now()}}},
		},
	}
	for _, change := range how {
		change(binding)
	}
	b.store.SetKey(key, time.Now())
	b.store.SetSecret(secret, time.Now())
	b.store.SetBinding(binding, time.Now())
	if name == "orders" {
		b.set = set
	}
	return binding
}

func signedPayload(binding *signetv1alpha1.SignatureBinding) {
	binding.Spec.Payload = signetv1alpha1.PayloadSigned
}

// serve serves a face over HTTP in plain text, as to this machine.
func (b *bench) serve(handler http.Handler) string {
	b.t.Helper()
	opened, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	server := httpServer(handler, b.signer.limits, nil, b.logger())
	go func() { _ = server.Serve(opened) }()
	b.t.Cleanup(func() { _ = server.Close() })
	return opened.Addr().String()
}

// raw sends the bytes as they are, and reads the answer.
func raw(t testing.TB, address, request string) *http.Response {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close() //nolint:errcheck // only read
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	if connection, ok := connection.(*net.TCPConn); ok {
		_ = connection.CloseWrite() // what was announced and is missing will not come
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	honest(t, response)
	return response
}

// honest holds every answer to the rule: 2xx with all three headers, and nothing
// else with any of them. 204 is that of the verify face, to backends.
func honest(t testing.TB, response *http.Response) {
	t.Helper()
	for _, name := range append(three, "X-Signature") {
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

// forwardedRequest is what a gateway sends, with more headers if given.
func forwardedRequest(path, method, uri, host string, headers ...string) string {
	lines := []string{
		"GET " + path + " HTTP/1.1", "Host: signer.example",
		"X-Forwarded-Method: " + method, "X-Forwarded-Uri: " + uri, "X-Forwarded-Host: " + host,
	}
	return strings.Join(append(lines, headers...), "\r\n") + "\r\n\r\n"
}

// verifies demands that the backend's library accepts what was signed.
func (b *bench) verifies(request *signature.Request, options signature.VerifierOptions) {
	b.t.Helper()
	grant, err := b.store.Snapshot().Lookup(slots.Slot{Namespace: team, Environment: environment, Kind: "API", Name: "orders"}, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	verifier, err := signature.NewVerifier(grant, options)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := verifier.VerifyRequest(request); err != nil {
		b.t.Fatalf("the backend refuses %s %s: %v", request.Method, request.Target, err)
	}
}

var unsigned = signature.VerifierOptions{AllowUnsignedPayload: true}

// as is the connection of who has shown a certificate with the URIs.
func as(t testing.TB, uris ...string) *trackedConn {
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
	by := &certificates{}
	by.current.Store(&tls.Config{}) //nolint:gosec // no connection is made with it
	over := &trackedConn{Conn: opened, door: newTrackingListener(nil, 1, nil), certificates: by, intermediates: x509.NewCertPool()}
	over.caller = newCaller(certificate, over)
	over.proof.Store(&verifiedPeer{until: certificate.NotAfter})
	over.door.places.take(over.caller.who)
	return over
}

// by says which connection a request came by.
func by(request *http.Request, over *trackedConn) *http.Request {
	return request.WithContext(context.WithValue(request.Context(), connectionKey{}, over))
}

// pki writes certificates to files.
type pki struct {
	t         testing.TB
	dir       string
	authority *webhookcert.Authority
	pool      *x509.CertPool
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	authority, err := webhookcert.NewAuthority("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	p := &pki{t: t, dir: t.TempDir(), authority: authority, pool: x509.NewCertPool()}
	data, err := authority.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p.pool.AppendCertsFromPEM(data["ca.crt"])
	return p
}

// files writes a serving certificate, and the authority for clients.
func (p *pki) files() TLSFiles {
	p.t.Helper()
	issued, err := p.authority.Issue(webhookcert.Subject{Name: "signer", Hosts: []string{"127.0.0.1"}}, time.Now(), time.Hour)
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

// client is a configuration with a certificate of those URIs, or none.
func (p *pki) client(uris ...string) *tls.Config {
	p.t.Helper()
	config := &tls.Config{RootCAs: p.pool, MinVersion: tls.VersionTLS12}
	if len(uris) == 0 {
		return config
	}
	subject := webhookcert.Subject{Name: "client"}
	for _, text := range uris {
		uri, err := url.Parse(text)
		if err != nil {
			p.t.Fatal(err)
		}
		subject.URIs = append(subject.URIs, uri)
	}
	issued, err := p.authority.Issue(subject, time.Now(), time.Hour)
	if err != nil {
		p.t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{*issued}
	return config
}

func (b *bench) keySpec() signetv1alpha1.SignatureKeySpec {
	return signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC}
}
