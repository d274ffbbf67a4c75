// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// proxy is the way of one manager to the API server. It ends the TLS of the manager,
// whose token goes through: the API server sees the manager's own identity.
type proxy struct {
	name      string
	url       string
	ca        []byte
	target    *url.URL
	transport http.RoundTripper
	server    *httptest.Server
	dice      *dice
	journal   *journal
	streams   *streams

	// handOver ends the manager as an update does.
	handOver func()
	// lateGrant is called when a grant to a binding is on its way.
	lateGrant func(namespace, binding string)
	// active is true while faults are injected.
	active atomic.Bool
	// down is true while the manager is cut off from the API server.
	down atomic.Bool
	// shadows are requests that are on their way, for which repetitions are refused.
	shadows sync.Map
	// late are the writes that are on their way without a client.
	late sync.WaitGroup
}

func newProxy(name string, config *rest.Config, dice *dice, journal *journal) (*proxy, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("parse the address of the API server: %w", err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(config))
	if err != nil {
		return nil, fmt.Errorf("connect a proxy: %w", err)
	}
	p := &proxy{
		name: name, target: target, transport: transport, dice: dice, journal: journal,
		streams: newStreams(name, dice, journal),
	}
	// HTTP/1.1 has a connection for each request, which can be reset alone.
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.StartTLS()
	p.url = p.server.URL
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return p, nil
}

func (p *proxy) close() {
	p.server.CloseClientConnections()
	p.streams.cutAll()
	p.server.Close()
}

// setActive begins or ends the faults. At the end, nothing is held any longer.
func (p *proxy) setActive(active bool) {
	p.active.Store(active)
	if !active {
		p.down.Store(false)
		p.streams.releaseAll()
	}
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	if p.down.Load() {
		reset(w)
		return
	}
	if r.URL.Query().Get("watch") != "" {
		p.serveWatch(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		reset(w)
		return
	}
	call := &call{proxy: p, w: w, r: r, body: body, namespace: namespaceOf(r.URL.Path)}
	if !p.active.Load() {
		call.pass(r.Context())
		return
	}
	if call.isShadowed() {
		call.respond(http.StatusServiceUnavailable)
		return
	}
	choose(p.dice, faultsOf(r))(call)
}

// call is one request of a manager.
type call struct {
	*proxy
	w         http.ResponseWriter
	r         *http.Request
	body      []byte
	namespace string
}

func (c *call) fault(kind, format string, args ...any) {
	c.journal.fault(c.namespace, kind, "%s: %s %s%s", c.name, c.r.Method, c.r.URL.Path, fmt.Sprintf(format, args...))
}

// pass passes the request on, and its answer back.
func (c *call) pass(ctx context.Context) {
	response, body, err := c.send(ctx)
	if err != nil {
		reset(c.w)
		return
	}
	c.answer(response, body)
}

func (c *call) answer(response *http.Response, body []byte) {
	for name, values := range response.Header {
		c.w.Header()[name] = values
	}
	c.w.WriteHeader(response.StatusCode)
	_, _ = c.w.Write(body)
}

// send passes the request on and returns the whole answer.
func (c *call) send(ctx context.Context) (*http.Response, []byte, error) {
	response, err := c.transport.RoundTrip(c.outgoing(ctx, c.r, c.body))
	if err != nil {
		return nil, nil, fmt.Errorf("pass on %s: %w", c.r.URL.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer to %s: %w", c.r.URL.Path, err)
	}
	if c.r.Method != http.MethodGet && !isLease(c.r) && c.namespace != "" && !strings.Contains(c.r.URL.Path, "/events") {
		c.journal.note(c.namespace, "%s: %s %s: %d", c.name, c.r.Method, c.r.URL.Path, response.StatusCode)
	}
	return response, body, nil
}

// outgoing is the request as the API server gets it.
func (p *proxy) outgoing(ctx context.Context, r *http.Request, body []byte) *http.Request {
	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host, out.RequestURI = p.target.Scheme, p.target.Host, p.target.Host, ""
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.ContentLength = int64(len(body))
	return out
}

// reset ends the connection of the client as a network does that has failed.
func reset(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	connection, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if secure, ok := connection.(*tls.Conn); ok {
		if plain, ok := secure.NetConn().(*net.TCPConn); ok {
			_ = plain.SetLinger(0)
			_ = plain.Close()
			return
		}
	}
	_ = connection.Close()
}

// namespaceOf returns the namespace that a path is about; empty if there is none.
func namespaceOf(path string) string {
	_, rest, _ := strings.Cut(path, "/namespaces/")
	namespace, _, _ := strings.Cut(rest, "/")
	return namespace
}

func isLease(r *http.Request) bool { return strings.Contains(r.URL.Path, "/leases") }

// waitForLate returns when no write is on its way any longer.
func (p *proxy) waitForLate() { p.late.Wait() }

// pause waits; false if the context ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
