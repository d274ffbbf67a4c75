// SPDX-License-Identifier: Apache-2.0

package webhookserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/pki"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const callers = 16

// fixture has an authority, and sends requests to the servers that are listed.
type fixture struct {
	t         *testing.T
	authority *pki.Authority
	transport *http.Transport

	mu     sync.Mutex
	listed []string
}

// running is a server at work.
type running struct {
	*Server
	address string
	stop    func() error
}

func newFixture(t *testing.T, http2 bool) *fixture {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate())
	f := &fixture{t: t, authority: authority}
	f.transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: http2, MaxIdleConnsPerHost: callers,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			f.mu.Lock()
			address := f.listed[rand.IntN(len(f.listed))]
			f.mu.Unlock()
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(f.transport.CloseIdleConnections)
	return f
}

func (f *fixture) certificate(validity time.Duration) *tls.Certificate {
	f.t.Helper()
	issued, err := f.authority.Issue(pki.Subject{Name: "webhook", Hosts: []string{"127.0.0.1"}}, time.Now(), validity)
	if err != nil {
		f.t.Fatal(err)
	}
	return issued
}

// add starts a server and lists it in place of the others.
func (f *fixture) add(current func() *tls.Certificate) *running {
	f.t.Helper()
	address := proc.FreeAddress(f.t)
	server := New(Options{Address: address, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current(), nil }})
	server.Register("/validate", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	f.t.Cleanup(func() { _ = stop() })
	proc.Eventually(f.t, "the server to listen", func() error {
		opened, err := (&net.Dialer{}).DialContext(f.t.Context(), "tcp", address)
		if err != nil {
			return err
		}
		return opened.Close()
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed = []string{address}
	return &running{Server: server, address: address, stop: stop}
}

// send sends a request that no client repeats: its body cannot be read again.
func (f *fixture) send() error {
	body := io.MultiReader(strings.NewReader("body"))
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://127.0.0.1/validate", body)
	if err != nil {
		return err
	}
	response, err := f.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err == nil && string(got) != "body" {
		err = fmt.Errorf("%s: %q", response.Status, got)
	}
	return err
}

// load has all callers send requests until the returned function is called, which
// returns how many were sent.
func (f *fixture) load(sent *atomic.Int64) (end func()) {
	ended := make(chan struct{})
	work := sync.WaitGroup{}
	for range callers {
		work.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if err := f.send(); err != nil {
					f.t.Errorf("request %d: %v", sent.Load(), err)
				}
				sent.Add(1)
			}
		})
	}
	return func() { close(ended); work.Wait() }
}

// waitRequests waits until all callers have sent some more.
func (f *fixture) waitRequests(sent *atomic.Int64) {
	f.t.Helper()
	before := sent.Load()
	proc.Eventually(f.t, "requests", func() error {
		if n := sent.Load() - before; n < 4*callers {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
}

// TestStopsFailNoRequest replaces a server again and again, while callers send requests.
func TestStopsFailNoRequest(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, http2)
			certificate := f.certificate(time.Hour)
			current := func() *tls.Certificate { return certificate }
			serving := f.add(current)
			var sent atomic.Int64
			end := f.load(&sent)
			for range 4 {
				f.waitRequests(&sent)
				leaving := serving
				if err := leaving.StartedChecker()(nil); err != nil {
					t.Errorf("not ready: %v", err)
				}
				serving = f.add(current)
				leaving.Drain()
				if err := leaving.StartedChecker()(nil); err == nil {
					t.Error("a server that drains is ready")
				}
				proc.Eventually(t, "callers to leave", func() error {
					leaving.mu.Lock()
					defer leaving.mu.Unlock()
					if n := len(leaving.open); n > 0 {
						return fmt.Errorf("%d connections are open", n)
					}
					return nil
				})
				if err := leaving.stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
			}
			end()
			t.Logf("%d requests", sent.Load())
		})
	}
}

// TestCertificateEndsWithoutAFailure has callers keep their connections while the serving
// certificate ends and is renewed.
func TestCertificateEndsWithoutAFailure(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, http2)
			short := f.certificate(2 * time.Second)
			var current atomic.Pointer[tls.Certificate]
			current.Store(short)
			server := f.add(current.Load)
			var sent atomic.Int64
			end := f.load(&sent)
			f.waitRequests(&sent)
			renewed := f.certificate(time.Hour)
			current.Store(renewed)
			proc.Eventually(t, "the certificate to end", func() error {
				if time.Now().Before(short.Leaf.NotAfter.Add(time.Second / 2)) {
					return fmt.Errorf("valid until %s", short.Leaf.NotAfter)
				}
				return nil
			})
			f.waitRequests(&sent)
			end()
			opened, err := (&tls.Dialer{Config: f.transport.TLSClientConfig}).DialContext(t.Context(), "tcp", server.address)
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close() //nolint:errcheck // only looked at
			if got := opened.(*tls.Conn).ConnectionState().PeerCertificates[0]; !got.Equal(renewed.Leaf) {
				t.Errorf("a new connection gets the certificate that ends at %s", got.NotAfter)
			}
		})
	}
}
