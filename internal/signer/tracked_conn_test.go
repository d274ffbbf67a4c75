// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// timeout is long enough for a busy machine.
const timeout = 20 * time.Second

// transports are the ways to send requests on one connection. The function returns
// the status of the response, or 0 without one.
var transports = map[string]func(f *fixture, keys *testPKI, config *tls.Config) (send func() int, certs *certificates){
	"HTTP/1.1": func(f *fixture, keys *testPKI, config *tls.Config) (func() int, *certificates) {
		address, certs := f.serveTLS(keys)
		return f.httpStatus(address, &http.Transport{TLSClientConfig: config}), certs
	},
	"HTTP/2": func(f *fixture, keys *testPKI, config *tls.Config) (func() int, *certificates) {
		address, certs := f.serveTLS(keys)
		return f.httpStatus(address, &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}), certs
	},
	"gRPC": func(f *fixture, keys *testPKI, config *tls.Config) (func() int, *certificates) {
		address, certs := f.serveGRPC(keys)
		connection := f.dialGRPC(address, config)
		return func() int { return checkStatus(f.t, connection) }, certs
	},
}

func (f *fixture) httpStatus(address string, transport *http.Transport) func() int {
	f.t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: timeout}
	return func() int {
		request, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, "https://"+address+"/sign/"+slotPath, nil)
		if err != nil {
			f.t.Error(err)
			return 0
		}
		request.Header = http.Header{headerMethod: {"GET"}, headerURI: {"/x"}, headerHost: {host}}
		response, err := client.Do(request)
		if err != nil {
			return 0
		}
		defer response.Body.Close() //nolint:errcheck // only read
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}
}

func (f *fixture) dialGRPC(address string, config *tls.Config) *grpc.ClientConn {
	f.t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// checkStatus calls ext_authz. It returns 0 after an error of gRPC.
func checkStatus(t testing.TB, connection *grpc.ClientConn) int {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	response, err := envoyauth.NewAuthorizationClient(connection).Check(ctx, check(slotPath, "GET", "/x"))
	switch {
	case err != nil:
		return 0
	case response.GetDeniedResponse() != nil:
		return int(response.GetDeniedResponse().GetStatus().GetCode())
	case len(response.GetOkResponse().GetHeaders()) != 3:
		t.Errorf("response %v", response)
	}
	return http.StatusOK
}

// writeAuthorities replaces the authorities that may issue client certificates.
func writeAuthorities(t *testing.T, certs *certificates, authorities ...*testPKI) {
	t.Helper()
	var bundle []byte
	for _, authority := range authorities {
		data, err := authority.authority.Encode()
		if err != nil {
			t.Fatal(err)
		}
		bundle = append(bundle, data["ca.crt"]...)
	}
	if err := os.WriteFile(certs.files.ClientCA, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := certs.load(); err != nil || !changed {
		t.Fatalf("bundle not reloaded: %t, %v", changed, err)
	}
}

// A connection can be older than the bundle of authorities. A caller whose
// authority was removed is refused immediately, and its connection is closed.
func TestConnectionsEndWithTheirAuthority(t *testing.T) {
	t.Parallel()
	for name, connect := range transports {
		t.Run(name, func(t *testing.T) {
			f, keys, others := newFixture(t), newPKI(t), newPKI(t)
			send, certs := connect(f, keys, keys.client("signet://sign/team-a"))
			if status := send(); status != http.StatusOK {
				t.Fatalf("first: %d", status)
			}
			writeAuthorities(t, certs, keys, others)
			if status := send(); status != http.StatusOK {
				t.Fatalf("with a second authority: %d", status)
			}
			writeAuthorities(t, certs, others)
			if status := send(); status != http.StatusForbidden {
				t.Fatalf("without its authority: %d", status)
			}
			proc.Eventually(t, "the connection to be closed", func() error {
				if status := send(); status != 0 {
					return fmt.Errorf("connection not closed: %d", status)
				}
				return nil
			})
			if !strings.Contains(f.log.String(), "client certificate no longer valid: x509: certificate signed by unknown authority") {
				t.Errorf("the log does not contain the reason:\n%s", f.log.String())
			}
		})
	}
}

func TestConnectionsEndWithTheirCertificate(t *testing.T) {
	for name, connect := range transports {
		t.Run(name, func(t *testing.T) {
			f, keys := newFixture(t), newPKI(t)
			var ahead time.Duration
			f.signer.now = func() time.Time { return time.Now().Add(ahead) }
			send, _ := connect(f, keys, keys.client("signet://sign/team-a"))
			if status := send(); status != http.StatusOK {
				t.Fatalf("first: %d", status)
			}
			ahead = 61 * time.Minute // certificates of newPKI are valid for an hour
			if status := send(); status != http.StatusForbidden {
				t.Errorf("expired: %d", status)
			}
		})
	}
}

// A chain expires with its first certificate, and the last chain counts.
func TestExpiryOfChains(t *testing.T) {
	at := time.Unix(1000, 0)
	chain := func(after ...time.Duration) []*x509.Certificate {
		var certificates []*x509.Certificate
		for _, d := range after {
			certificates = append(certificates, &x509.Certificate{NotAfter: at.Add(d)})
		}
		return certificates
	}
	if got := lastExpiry([][]*x509.Certificate{chain(9, 2, 9), chain(9, 9, 4), chain(1, 9, 9)}); got != at.Add(4) {
		t.Errorf("%s", got)
	}
}

// A resumed session is valid only as long as its certificate is.
func TestResumedSessionsAreVerified(t *testing.T) {
	f, keys, others := newFixture(t), newPKI(t), newPKI(t)
	address, certs := f.serveTLS(keys)
	config := keys.client("signet://sign/team-a")
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	resumed := false
	config.VerifyConnection = func(state tls.ConnectionState) error { resumed = state.DidResume; return nil }
	proc.Eventually(t, "a session to be resumed", func() error {
		if status, err := callTLS(t, address, config); err != nil || status != http.StatusOK {
			t.Fatal(status, err)
		}
		if !resumed {
			return errors.New("no session was resumed")
		}
		return nil
	})
	writeAuthorities(t, certs, others)
	if status, err := callTLS(t, address, config); err == nil {
		t.Errorf("after its authority was removed: %d", status)
	}
}

// A caller does not get all connections, even with several certificates for the
// same URIs.
func TestConnectionsHaveAQuota(t *testing.T) {
	f, keys := newFixture(t), newPKI(t)
	f.signer.limits.MaxConnections = 8
	address, _ := f.serveTLS(keys)
	hold := func(uris ...string) (net.Conn, error) {
		opened, err := (&tls.Dialer{Config: keys.client(uris...)}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = opened.Close() })
		_ = opened.SetDeadline(time.Now().Add(timeout))
		if _, err := io.WriteString(opened, forwardedRequest("/sign/"+slotPath, "GET", "/x", host)); err != nil {
			return nil, err
		}
		_, err = opened.Read(make([]byte, 1))
		return opened, err
	}
	var held []net.Conn
	for i := range 4 {
		opened, err := hold("signet://sign/team-a", "signet://sign/team-b")
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		held = append(held, opened)
	}
	if _, err := hold("signet://sign/team-b", "signet://sign/team-a"); err == nil {
		t.Error("one caller has more than half of the connections")
	}
	if _, err := hold("signet://sign/team-b"); err != nil {
		t.Errorf("other caller: %v", err)
	}
	if !strings.Contains(f.log.String(), "quota of concurrent connections exceeded") {
		t.Errorf("the log does not contain the reason:\n%s", f.log.String())
	}
	for _, opened := range held {
		_ = opened.Close()
	}
	proc.Eventually(t, "the quota to be free again", func() error { _, err := hold("signet://sign/team-a", "signet://sign/team-b"); return err })
}

// Connections without a handshake do not keep other clients out.
func TestOldestUnauthenticatedConnectionIsClosed(t *testing.T) {
	f, keys := newFixture(t), newPKI(t)
	f.signer.limits.ReadTimeout = timeout // a handshake is limited to headerTimeout
	address, _ := f.serveTLS(keys)
	first, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close() //nolint:errcheck // end of the test
	for range maxUnauthenticated {
		opened, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close() //nolint:errcheck // end of the test
	}
	if status, err := callTLS(t, address, keys.client("signet://sign/team-a")); err != nil || status != http.StatusOK {
		t.Fatalf("client with a certificate: %d, %v", status, err)
	}
	_ = first.SetReadDeadline(time.Now().Add(headerTimeout / 2))
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest connection is open: %v", err)
	}
}

func TestClosedConnectionsFreeTheQuota(t *testing.T) {
	f, keys := newFixture(t), newPKI(t)
	certs, err := newCertificates(keys.files(), f.signer.metrics, time.Now, f.logger())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := listen(t.Context(), "sign", "127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	l := f.signer.limitConnections(endpointSign, opened, true).(*trackingListener)
	served := httpListener("sign", l, httpServer(f.signer.SignHandler(false), f.signer.limits, certs, f.logger()))
	go func() { _ = served.serve(l) }()
	t.Cleanup(func() { _ = served.stop(context.Background()) })
	untrusted := newPKI(t).client("signet://sign/team-a")
	untrusted.RootCAs = keys.pool
	for range 4 {
		_, _ = callTLS(t, l.Addr().String(), keys.client("signet://sign/team-a"))
		_, _ = callTLS(t, l.Addr().String(), untrusted)
		_, _ = callTLS(t, l.Addr().String(), keys.client())
	}
	proc.Eventually(t, "the quota to be free again", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.quota.mu.Lock()
		defer l.quota.mu.Unlock()
		if l.unauthenticated.Len() != 0 || l.quota.free != f.signer.limits.MaxConnections || len(l.quota.held) != 0 {
			return fmt.Errorf("%d unauthenticated, %d free, %d callers", l.unauthenticated.Len(), l.quota.free, len(l.quota.held))
		}
		return nil
	})
}

func TestIdentityOfCallers(t *testing.T) {
	same := func(a, b []string) bool {
		return connWith(t, a...).caller.identity == connWith(t, b...).caller.identity
	}
	for name, c := range map[string]struct {
		a, b []string
		want bool
	}{
		"the same":             {[]string{"signet://sign/team-a"}, []string{"signet://sign/team-a"}, true},
		"other order":          {[]string{"signet://sign/a", "signet://sign/b"}, []string{"signet://sign/b", "signet://sign/a"}, true},
		"with other URIs":      {[]string{"signet://sign/a"}, []string{"signet://sign/a", "spiffe://x/y"}, true},
		"twice":                {[]string{"signet://sign/a"}, []string{"signet://sign/a", "signet://sign/a"}, true},
		"no permissions":       {[]string{"spiffe://x/y"}, nil, true},
		"other verb":           {[]string{"signet://sign/a"}, []string{"signet://verify/a"}, false},
		"other namespace":      {[]string{"signet://sign/a"}, []string{"signet://sign/b"}, false},
		"additional namespace": {[]string{"signet://sign/a"}, []string{"signet://sign/a", "signet://sign/b"}, false},
	} {
		if got := same(c.a, c.b); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
