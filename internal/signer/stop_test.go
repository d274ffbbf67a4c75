// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// stopCallers send requests at the same time.
const stopCallers = 64

// fleet is a number of signers, of which those that stop are no longer listed.
type fleet struct {
	f     *fixture
	keys  *testPKI
	start func() *listener

	mu     sync.Mutex
	listed []string
	// counters are those of all signers, by address.
	counters map[string]*countingListener
	// change is called with the addresses.
	change func([]string)
	// maxAge replaces the maximum age of connections, if set.
	maxAge time.Duration
}

func (l *fleet) set(change func([]string) []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed = change(l.listed)
	if l.change != nil {
		l.change(l.listed)
	}
}

// add starts a signer.
func (l *fleet) add() *listener {
	started := l.start()
	go func() { _ = started.serve(started.Listener) }()
	l.f.t.Cleanup(func() {
		// The server of HTTP/2 does not end a connection that begins as it stops.
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = started.stop(ended)
	})
	l.set(func(listed []string) []string { return append(slices.Clone(listed), started.Addr().String()) })
	return started
}

// stop stops a signer as Server does.
func (l *fleet) stop(t *testing.T, leaving *listener) {
	t.Helper()
	l.set(func(listed []string) []string {
		return slices.DeleteFunc(slices.Clone(listed), func(a string) bool { return a == leaving.Addr().String() })
	})
	leaving.retire()
	// On a busy machine, a delay in seconds would say little: what matters is that every
	// caller has sent a request, and has left.
	open := &l.opened(leaving).open
	proc.Eventually(t, "callers to leave", func() error {
		if n := open.Load(); n > 0 {
			return fmt.Errorf("%d connections are open", n)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeout)
	defer cancel()
	if err := leaving.stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// countingListener counts connections.
type countingListener struct {
	net.Listener
	accepted, open atomic.Int64
}

type countedConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

// Accept implements net.Listener.
func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.accepted.Add(1)
	l.open.Add(1)
	return &countedConn{Conn: conn, open: &l.open}, nil
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// opened returns the counter of a signer.
func (l *fleet) opened(of *listener) *countingListener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counters[of.Addr().String()]
}

func (l *fleet) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	l.mu.Lock()
	address := l.listed[rand.IntN(len(l.listed))]
	l.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func (l *fleet) listen(t *testing.T, at endpoint, secured bool) net.Listener {
	t.Helper()
	opened, err := listen(t.Context(), string(at), "127.0.0.1:0", secured)
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingListener{Listener: opened}
	l.mu.Lock()
	l.counters[opened.Addr().String()] = counting
	l.mu.Unlock()
	limited := l.f.signer.limitConnections(at, counting, secured)
	if tracking, ok := limited.(*trackingListener); ok && l.maxAge > 0 {
		tracking.maxAge = l.maxAge
	}
	return limited
}

// posts returns a function that sends a request that no client repeats: its body cannot
// be read again.
func (l *fleet) posts(t *testing.T, scheme string, transport *http.Transport) func() error {
	t.Helper()
	transport.DialContext, transport.MaxIdleConnsPerHost = l.dial, stopCallers
	t.Cleanup(transport.CloseIdleConnections)
	return func() error {
		body := io.MultiReader(strings.NewReader("body"))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, scheme+"://127.0.0.1/sign/"+slotPath, body)
		if err != nil {
			return err
		}
		r.Header = http.Header{headerMethod: {"POST"}, headerURI: {"/x"}, headerHost: {host}}
		response, err := transport.RoundTrip(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err == nil && response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", response.Status)
		}
		return err
	}
}

// fleets are the protocols of callers. Each starts signers and sends requests.
var fleets = map[string]func(t *testing.T, l *fleet, config *tls.Config) (send func() error){
	"HTTP/1.1": func(t *testing.T, l *fleet, _ *tls.Config) func() error {
		l.start = func() *listener {
			return httpListener("sign", l.listen(t, endpointSign, false), httpServer(l.f.signer.SignHandler(true), l.f.signer.limits, nil, l.f.logger()))
		}
		return l.posts(t, "http", &http.Transport{})
	},
	"HTTP/1.1 over TLS": func(t *testing.T, l *fleet, config *tls.Config) func() error {
		l.startTLS(t)
		return l.posts(t, "https", &http.Transport{TLSClientConfig: config})
	},
	"HTTP/2": func(t *testing.T, l *fleet, config *tls.Config) func() error {
		l.startTLS(t)
		return l.posts(t, "https", &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true})
	},
	"gRPC": func(t *testing.T, l *fleet, config *tls.Config) func() error {
		certs := l.certificates(t)
		l.start = func() *listener {
			return grpcListener("ext_authz", l.listen(t, endpointExtAuthz, true), l.f.signer.ExtAuthz(false).register(grpcServer(l.f.signer.limits, certs)))
		}
		addresses := manual.NewBuilderWithScheme("signers")
		l.change = func(listed []string) {
			state := resolver.State{}
			for _, address := range listed {
				state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
			}
			addresses.UpdateState(state)
		}
		addresses.InitialState(resolver.State{})
		connection, err := grpc.NewClient("signers:///", grpc.WithResolvers(addresses), grpc.WithTransportCredentials(credentials.NewTLS(config)),
			grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		connection.Connect()
		t.Cleanup(func() { _ = connection.Close() })
		return func() error {
			if status := checkStatus(t, connection); status != http.StatusOK {
				return fmt.Errorf("status %d", status)
			}
			return nil
		}
	},
}

func (l *fleet) certificates(t *testing.T) *certificates {
	t.Helper()
	certs, err := newCertificates(l.keys.files(), l.f.signer.metrics, time.Now, l.f.logger())
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func (l *fleet) startTLS(t *testing.T) {
	t.Helper()
	certs := l.certificates(t)
	l.start = func() *listener {
		return httpListener("sign", l.listen(t, endpointSign, true), httpServer(l.f.signer.SignHandler(false), l.f.signer.limits, certs, l.f.logger()))
	}
}

// stops is how often a signer stops in each test. SIGNER_STOPS changes it.
func stops(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SIGNER_STOPS")
	if text == "" {
		return 4
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// requests counts what callers have sent.
type requests struct {
	t            *testing.T
	sent, failed atomic.Int64
	ended        chan struct{}
	work         sync.WaitGroup
}

// begin has that many callers send requests, with a pause in between if they are to
// leave the machine time for other things.
func begin(t *testing.T, callers int, pause time.Duration, send func() error) *requests {
	t.Helper()
	r := &requests{t: t, ended: make(chan struct{})}
	for range callers {
		r.work.Go(func() {
			for {
				select {
				case <-r.ended:
					return
				case <-time.After(pause):
				}
				if err := send(); err != nil && r.failed.Add(1) < 5 {
					t.Errorf("request %d: %v", r.sent.Load(), err)
				}
				r.sent.Add(1)
			}
		})
	}
	return r
}

// wait waits until so many requests more were sent.
func (r *requests) wait(count int64) {
	r.t.Helper()
	before := r.sent.Load()
	proc.Eventually(r.t, "requests", func() error {
		if n := r.sent.Load() - before; n < count {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
}

func (r *requests) end() {
	r.t.Helper()
	close(r.ended)
	r.work.Wait()
	r.t.Logf("%d of %d requests failed", r.failed.Load(), r.sent.Load())
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f, keys := newFixture(t), newPKI(t)
	f.signer.limits.MaxConnections, f.signer.limits.ReadTimeout = 1024, timeout
	return &fleet{f: f, keys: keys, counters: map[string]*countingListener{}}
}

// TestStopsCostNoRequest replaces one of two signers again and again, while callers
// send requests that nobody repeats.
func TestStopsCostNoRequest(t *testing.T) {
	t.Parallel()
	for name, protocol := range fleets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newFleet(t)
			config := l.keys.client("signet://sign/team-a")
			config.ServerName = "127.0.0.1"
			send := protocol(t, l, config)
			running := []*listener{l.add(), l.add()}
			r := begin(t, stopCallers, 0, send)
			for range stops(t) {
				r.wait(4 * stopCallers)
				leaving := running[0]
				running = append(running[1:], l.add())
				l.stop(t, leaving)
			}
			r.end()
		})
	}
}

// TestConnectionsEndAtTheirAge has callers stay for several times the maximum age.
func TestConnectionsEndAtTheirAge(t *testing.T) {
	t.Parallel()
	for name, protocol := range fleets {
		if name == "HTTP/1.1" {
			continue // without TLS only this machine calls
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newFleet(t)
			l.maxAge = time.Second / 2
			config := l.keys.client("signet://sign/team-a")
			config.ServerName = "127.0.0.1"
			send := protocol(t, l, config)
			accepted := &l.opened(l.add()).accepted
			const callers = 2
			r := begin(t, callers, time.Millisecond, send)
			r.wait(callers)
			before := accepted.Load()
			proc.Eventually(t, "more connections than callers", func() error {
				if n := accepted.Load() - before; n <= callers {
					return fmt.Errorf("%d connections", n)
				}
				return nil
			})
			r.end()
		})
	}
}

// TestCertificatesEndWithoutARefusal has callers keep their connections while their
// certificates end and are renewed.
func TestCertificatesEndWithoutARefusal(t *testing.T) {
	t.Parallel()
	const validity = 8 * time.Second
	for name, protocol := range fleets {
		if name == "HTTP/1.1" {
			continue // without TLS
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newFleet(t)
			renewed := func() *tls.Certificate {
				return &l.keys.clientUntil(validity, "signet://sign/team-a").Certificates[0]
			}
			var current atomic.Pointer[tls.Certificate]
			first := renewed()
			current.Store(first)
			config := l.keys.client()
			config.ServerName = "127.0.0.1"
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current.Load(), nil }
			send := protocol(t, l, config)
			l.add()
			l.add()
			time.AfterFunc(validity/2, func() { current.Store(renewed()) })
			r := begin(t, 8, time.Millisecond, send)
			proc.Eventually(t, "the first certificate to end", func() error {
				if now := time.Now(); now.Before(first.Leaf.NotAfter.Add(time.Second / 2)) {
					return fmt.Errorf("valid until %s", first.Leaf.NotAfter)
				}
				return nil
			})
			r.end()
		})
	}
}

// TestIdleConnectionsEndBeforeTheirCertificate has a caller that was never asked to leave,
// because it sends nothing at the maximum age.
func TestIdleConnectionsEndBeforeTheirCertificate(t *testing.T) {
	t.Parallel()
	l := newFleet(t)
	l.maxAge = time.Second / 2
	config := l.keys.clientUntil(3*time.Second, "signet://sign/team-a")
	config.ServerName = "127.0.0.1"
	send := fleets["HTTP/1.1 over TLS"](t, l, config)
	open := &l.opened(l.add()).open
	if err := send(); err != nil {
		t.Fatal(err)
	}
	proc.Eventually(t, "the connection to end", func() error {
		if n := open.Load(); n > 0 {
			return fmt.Errorf("%d connections are open", n)
		}
		return nil
	})
}
