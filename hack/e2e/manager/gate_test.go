// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
)

// trap holds the first request that it is set for.
type trap struct {
	method, path string
	// caught is closed when the request is held; open releases it.
	caught, open chan struct{}
	// answered gets the status code that the API server gave.
	answered chan int
}

// gate is the way of one manager to the API server. It writes down all
// requests, and can hold one of them.
type gate struct {
	url string
	ca  []byte
	// shut is a path that every request is refused to. Empty for none.
	shut string

	mu       sync.Mutex
	trap     *trap
	requests []string
	answers  map[int][]string
}

func newGate() *gate {
	GinkgoHelper()
	target, err := url.Parse(cluster.Config.Host)
	Expect(err).NotTo(HaveOccurred())
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(cluster.Config))
	Expect(err).NotTo(HaveOccurred())
	g := &gate{answers: map[int][]string{}}
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			g.noteAnswer(r)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, r.URL.String()+": "+err.Error(), http.StatusBadGateway)
		},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.pass(proxy, w, r) }))
	DeferCleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	g.url = server.URL
	g.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return g
}

// set lays a trap for the next such request.
func (g *gate) set(method, path string) *trap {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap = &trap{
		method: method, path: path,
		caught: make(chan struct{}), open: make(chan struct{}), answered: make(chan int, 1),
	}
	DeferCleanup(sync.OnceFunc(g.trap.release))
	return g.trap
}

// release lets the held request go on.
func (t *trap) release() {
	select {
	case <-t.open:
	default:
		close(t.open)
	}
}

func (g *gate) pass(proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	t := g.note(r)
	if r.URL.Path == g.shut {
		http.Error(w, "the gate is shut", http.StatusServiceUnavailable)
		return
	}
	if t == nil {
		proxy.ServeHTTP(w, r)
		return
	}
	// The request has left the manager: it arrives even if the client no longer
	// waits for the answer.
	body, _ := io.ReadAll(r.Body)
	late := r.Clone(context.WithoutCancel(r.Context()))
	late.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	close(t.caught)
	<-t.open
	proxy.ServeHTTP(answer, late)
	t.answered <- answer.Code
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// note writes the request down and returns the trap that it is caught in.
func (g *gate) note(r *http.Request) *trap {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r.Method+" "+r.URL.Path)
	t := g.trap
	if t == nil || t.method != r.Method || t.path != r.URL.Path {
		return nil
	}
	g.trap = nil
	return t
}

func (g *gate) noteAnswer(r *http.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[r.StatusCode] = append(g.answers[r.StatusCode], r.Request.Method+" "+r.Request.URL.Path)
}

// all are the requests so far.
func (g *gate) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

// answeredWith are the requests so far that got this status code.
func (g *gate) answeredWith(code int) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.answers[code])
}

// writes are the requests so far about bindings that change something.
func (g *gate) writes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var found []string
	for _, request := range g.requests {
		if !strings.HasPrefix(request, http.MethodGet) && strings.Contains(request, "/signaturebindings/") {
			found = append(found, request)
		}
	}
	return found
}
