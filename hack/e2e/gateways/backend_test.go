// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signet-dev/signet/api/signature"
)

// errUnmounted is the error of a backend without keys.
var errUnmounted = errors.New("no keys are mounted")

// backend verifies each request twice: with the library's handler, and at the
// signer's verify endpoint, as a backend in another language does. It is one
// service for all APIs: the host selects the API.
type backend struct {
	address  string
	verify   *http.Client
	verifyAt string

	mu sync.Mutex
	// slots are the paths of the verify endpoint, and the keys accepted, by API.
	slots map[string]slot
	// hits counts what came, whatever its signature.
	hits int
}

type slot struct {
	path   string
	keys   func() (*signature.KeySet, error)
	signed bool
}

// seen is what the backend has got, and what it thinks of it.
type seen struct {
	Method, Target, Host string
	Header               http.Header
	BodyLength           int
	BodyDigest           string
	// Library and Endpoint are the statuses of the two verifications.
	Library, Endpoint int
	Reason            string
}

func startBackend(tb testing.TB, f *fixture) *backend {
	tb.Helper()
	b := &backend{verifyAt: "https://" + f.verifyAddress, slots: map[string]slot{}}
	dir := filepath.Join(f.certs, "verify-"+shop)
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	authority, err := os.ReadFile(filepath.Join(f.certs, "ca", "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(authority) {
		tb.Fatalf("read the CA: %v", err)
	}
	b.verify = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 64,
	}}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b.address = listener.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(b.serve)}
	go func() { _ = server.Serve(listener) }()
	tb.Cleanup(func() { _ = server.Close() })
	return b
}

// accept sets the key that the API selected by the host is signed with.
func (b *backend) accept(api string, s slot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots[api] = s
}

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hits
}

const headerAPI = "X-Test-Api"

func (b *backend) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.hits++
	at := b.slots[r.Header.Get(headerAPI)]
	b.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sum := sha256.Sum256(body)
	got := seen{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header.Clone(),
		BodyLength: len(body), BodyDigest: hex.EncodeToString(sum[:]),
	}
	got.Library, got.Reason = b.library(r, at, body)
	got.Endpoint = b.endpoint(r, at, body)
	w.Header().Set("Content-Type", "application/json")
	if got.Library != http.StatusOK || got.Endpoint != http.StatusOK {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_ = json.NewEncoder(w).Encode(got)
}

// library has the handler of api/signature verify the request.
func (b *backend) library(r *http.Request, at slot, body []byte) (status int, reason string) {
	if at.keys == nil {
		return http.StatusUnauthorized, errUnmounted.Error()
	}
	keys, err := at.keys()
	if err != nil {
		return http.StatusUnauthorized, err.Error()
	}
	verifier, err := signature.NewVerifier(keys, signature.VerifierOptions{
		AllowUnsignedPayload: !at.signed, MaxBody: 4 << 20,
		OnRefusal: func(_ *http.Request, err error) { reason = err.Error() },
	})
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	recorder := httptest.NewRecorder()
	verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(recorder, again)
	return recorder.Code, reason
}

// endpoint verifies at the signer's verify endpoint.
func (b *backend) endpoint(r *http.Request, at slot, body []byte) int {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, b.verifyAt+at.path, bytes.NewReader(body))
	if err != nil {
		return http.StatusInternalServerError
	}
	request.Header = r.Header.Clone()
	request.Header.Set("X-Forwarded-Method", r.Method)
	request.Header.Set("X-Forwarded-Uri", r.RequestURI)
	request.Header.Set("X-Forwarded-Host", r.Host)
	response, err := b.verify.Do(request)
	if err != nil {
		return http.StatusBadGateway
	}
	_ = response.Body.Close()
	if response.StatusCode/100 == 2 {
		return http.StatusOK
	}
	return response.StatusCode
}
