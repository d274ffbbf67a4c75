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
)

// patience bears a busy machine.
const patience = 20 * time.Second

// eventually polls until the condition says nothing any more.
func eventually(t *testing.T, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// ways are how a caller keeps one connection and asks over it, with the status of
// the answer; 0 if there is none.
var ways = map[string]func(b *bench, keys *testPKI, config *tls.Config) (ask func() int, followed *certificates){
	"HTTP/1.1": func(b *bench, keys *testPKI, config *tls.Config) (func() int, *certificates) {
		address, followed := b.secure(keys)
		return b.asking(address, &http.Transport{TLSClientConfig: config}), followed
	},
	"HTTP/2": func(b *bench, keys *testPKI, config *tls.Config) (func() int, *certificates) {
		address, followed := b.secure(keys)
		return b.asking(address, &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}), followed
	},
	"gRPC": func(b *bench, keys *testPKI, config *tls.Config) (func() int, *certificates) {
		address, followed := b.secureGRPC(keys)
		asking := b.dialGRPC(address, config)
		return func() int { return checked(b.t, asking) }, followed
	},
}

func (b *bench) asking(address string, transport *http.Transport) func() int {
	b.t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: patience}
	return func() int {
		request, err := http.NewRequest(http.MethodGet, "https://"+address+"/sign/"+slotPath, nil)
		if err != nil {
			b.t.Error(err)
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

func (b *bench) dialGRPC(address string, config *tls.Config) *grpc.ClientConn {
	b.t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// checked asks ext_authz; 0 if gRPC has an error for it.
func checked(t testing.TB, connection *grpc.ClientConn) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := envoyauth.NewAuthorizationClient(connection).Check(ctx, check(slotPath, "GET", "/x"))
	switch {
	case err != nil:
		return 0
	case answer.GetDeniedResponse() != nil:
		return int(answer.GetDeniedResponse().GetStatus().GetCode())
	case len(answer.GetOkResponse().GetHeaders()) != 3:
		t.Errorf("answered %v", answer)
	}
	return http.StatusOK
}

// trust writes the bundle of the authorities that may issue certificates.
func trust(t *testing.T, followed *certificates, authorities ...*testPKI) {
	t.Helper()
	var bundle []byte
	for _, authority := range authorities {
		data, err := authority.authority.Encode()
		if err != nil {
			t.Fatal(err)
		}
		bundle = append(bundle, data["ca.crt"]...)
	}
	if err := os.WriteFile(followed.files.ClientCA, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := followed.load(); err != nil || !changed {
		t.Fatalf("the bundle was not taken up: %t, %v", changed, err)
	}
}

// A connection may be older than the bundle of authorities. A caller whose
// authority is not in it any more is refused at once, and the connection ends.
func TestConnectionsEndWithTheirAuthority(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			b, keys, others := newBench(t), newPKI(t), newPKI(t)
			ask, followed := way(b, keys, keys.client("signet://sign/team-a"))
			if status := ask(); status != http.StatusOK {
				t.Fatalf("at first: %d", status)
			}
			trust(t, followed, keys, others)
			if status := ask(); status != http.StatusOK {
				t.Fatalf("with an authority more: %d", status)
			}
			trust(t, followed, others)
			if status := ask(); status != http.StatusForbidden {
				t.Fatalf("without its authority: %d", status)
			}
			eventually(t, func() error {
				if status := ask(); status != 0 {
					return fmt.Errorf("the connection goes on: %d", status)
				}
				return nil
			})
			if !strings.Contains(b.log.String(), "leads to none of the authorities any more") {
				t.Errorf("the log does not say why:\n%s", b.log.String())
			}
		})
	}
}

func TestConnectionsEndWithTheirCertificate(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			b, keys := newBench(t), newPKI(t)
			var ahead time.Duration
			b.signer.now = func() time.Time { return time.Now().Add(ahead) }
			ask, _ := way(b, keys, keys.client("signet://sign/team-a"))
			if status := ask(); status != http.StatusOK {
				t.Fatalf("at first: %d", status)
			}
			ahead = 61 * time.Minute // newPKI's last an hour
			if status := ask(); status != http.StatusForbidden {
				t.Errorf("after its end: %d", status)
			}
		})
	}
}

// What ends first ends a chain, and the last chain counts.
func TestEndOfChains(t *testing.T) {
	at := time.Unix(1000, 0)
	ends := func(after ...time.Duration) []*x509.Certificate {
		var chain []*x509.Certificate
		for _, d := range after {
			chain = append(chain, &x509.Certificate{NotAfter: at.Add(d)})
		}
		return chain
	}
	if got := lastEnd([][]*x509.Certificate{ends(9, 2, 9), ends(9, 9, 4), ends(1, 9, 9)}); got != at.Add(4) {
		t.Errorf("%s", got)
	}
}

// A session from before is not worth more than its certificate.
func TestResumedSessionsAreLookedAt(t *testing.T) {
	b, keys, others := newBench(t), newPKI(t), newPKI(t)
	address, followed := b.secure(keys)
	config := keys.client("signet://sign/team-a")
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	resumed := false
	config.VerifyConnection = func(state tls.ConnectionState) error { resumed = state.DidResume; return nil }
	eventually(t, func() error {
		if status, err := callTLS(t, address, config); err != nil || status != http.StatusOK {
			t.Fatal(status, err)
		}
		if !resumed {
			return fmt.Errorf("no session is resumed")
		}
		return nil
	})
	trust(t, followed, others)
	if status, err := callTLS(t, address, config); err == nil {
		t.Errorf("after its authority has gone: %d", status)
	}
}

// One caller does not get all connections, whatever certificates it has for the
// same.
func TestConnectionsAreShared(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	b.signer.limits.MaxConnections = 8
	address, _ := b.secure(keys)
	hold := func(uris ...string) (*tls.Conn, error) {
		opened, err := tls.Dial("tcp", address, keys.client(uris...))
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = opened.Close() })
		_ = opened.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(opened, forwardedRequest("/sign/"+slotPath, "GET", "/x", host)); err != nil {
			return nil, err
		}
		_, err = opened.Read(make([]byte, 1))
		return opened, err
	}
	var held []*tls.Conn
	for i := range 4 {
		opened, err := hold("signet://sign/team-a", "signet://sign/team-b")
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		held = append(held, opened)
	}
	if _, err := hold("signet://sign/team-b", "signet://sign/team-a"); err == nil {
		t.Error("more than half of the connections are one caller's")
	}
	if _, err := hold("signet://sign/team-b"); err != nil {
		t.Errorf("another caller: %v", err)
	}
	if !strings.Contains(b.log.String(), "the caller has its share of the connections") {
		t.Errorf("the log does not say so:\n%s", b.log.String())
	}
	for _, opened := range held {
		_ = opened.Close()
	}
	eventually(t, func() error { _, err := hold("signet://sign/team-a", "signet://sign/team-b"); return err })
}

// Whoever opens connections and says nothing keeps nobody out.
func TestStrangersMakeRoom(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	b.signer.limits.ReadTimeout = patience // of a handshake: no more than headerTimeout
	address, _ := b.secure(keys)
	first, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close() //nolint:errcheck // the test is over
	for range maxStrangers {
		opened, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close() //nolint:errcheck // the test is over
	}
	if status, err := callTLS(t, address, keys.client("signet://sign/team-a")); err != nil || status != http.StatusOK {
		t.Fatalf("who has a certificate: %d, %v", status, err)
	}
	_ = first.SetReadDeadline(time.Now().Add(headerTimeout / 2))
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest is still there: %v", err)
	}
}

func TestPlacesOfConnectionsComeBack(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	followed, err := newCertificates(keys.files(), b.signer.metrics, b.logger())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := listen("sign", "127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	d := b.signer.bounded(faceSign, opened, true).(*trackingListener)
	served := httpListener("sign", d, httpServer(b.signer.SignHandler(false), b.signer.limits, followed, b.logger()))
	go func() { _ = served.serve(d) }()
	t.Cleanup(func() { _ = served.stop(context.Background()) })
	stranger := newPKI(t).client("signet://sign/team-a")
	stranger.RootCAs = keys.pool
	for range 4 {
		_, _ = callTLS(t, d.Addr().String(), keys.client("signet://sign/team-a"))
		_, _ = callTLS(t, d.Addr().String(), stranger)
		_, _ = callTLS(t, d.Addr().String(), keys.client())
	}
	eventually(t, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.places.mu.Lock()
		defer d.places.mu.Unlock()
		if d.unauthenticated.Len() != 0 || d.places.free != b.signer.limits.MaxConnections || len(d.places.held) != 0 {
			return fmt.Errorf("%d strangers, %d free, %d callers", d.unauthenticated.Len(), d.places.free, len(d.places.held))
		}
		return nil
	})
}

func TestWhoIsOneCaller(t *testing.T) {
	same := func(a, b []string) bool { return as(t, a...).caller.who == as(t, b...).caller.who }
	for name, c := range map[string]struct {
		a, b []string
		want bool
	}{
		"the same":           {[]string{"signet://sign/team-a"}, []string{"signet://sign/team-a"}, true},
		"in another order":   {[]string{"signet://sign/a", "signet://sign/b"}, []string{"signet://sign/b", "signet://sign/a"}, true},
		"with others' names": {[]string{"signet://sign/a"}, []string{"signet://sign/a", "spiffe://x/y"}, true},
		"twice":              {[]string{"signet://sign/a"}, []string{"signet://sign/a", "signet://sign/a"}, true},
		"for nothing":        {[]string{"spiffe://x/y"}, nil, true},
		"another verb":       {[]string{"signet://sign/a"}, []string{"signet://verify/a"}, false},
		"another namespace":  {[]string{"signet://sign/a"}, []string{"signet://sign/b"}, false},
		"a namespace more":   {[]string{"signet://sign/a"}, []string{"signet://sign/a", "signet://sign/b"}, false},
	} {
		if got := same(c.a, c.b); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
