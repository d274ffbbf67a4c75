// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// watchBlocker lets a manager's watches of bindings through until an event comes that
// holds all of the words; that one and all later ones wait for open.
type watchBlocker struct {
	words []string
	open  chan struct{}

	mu      sync.Mutex
	stopped bool
}

func (b *watchBlocker) wrap(next http.RoundTripper) http.RoundTripper {
	return env.RoundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		watch := strings.HasSuffix(request.URL.Path, "/signaturebindings") && request.URL.Query().Get("watch") != ""
		if err == nil && watch {
			response.Body = b.through(response.Body)
		}
		return response, err
	})
}

// through passes a stream on event by event: each is a line.
func (b *watchBlocker) through(stream io.ReadCloser) io.ReadCloser {
	reader, writer := io.Pipe()
	go func() {
		events := bufio.NewReader(stream)
		for {
			event, err := events.ReadString('\n')
			if b.stops(event) {
				<-b.open
			}
			if _, broken := io.WriteString(writer, event); broken != nil {
				return
			}
			if err != nil {
				_ = writer.CloseWithError(err)
				return
			}
		}
	}()
	return struct {
		io.Reader
		io.Closer
	}{reader, stream}
}

func (b *watchBlocker) stops(event string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, word := range b.words {
		if !strings.Contains(event, word) {
			return b.stopped
		}
	}
	b.stopped = true
	return true
}

// stopping reports whether the blocker holds events back.
func (b *watchBlocker) stopping() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped
}

var _ = Describe("A manager whose watch lags behind its own writes", func() {
	// In the cache no binding holds the API, and the older binding comes first.
	It("does not give an older claimant what it has just granted to a younger", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		watchNamespace(ctx, namespace)
		lag := &watchBlocker{words: []string{`"name":"younger"`, "boundAt"}, open: make(chan struct{})}
		open := sync.OnceFunc(func() { close(lag.open) })
		DeferCleanup(open)
		granting, claimed := make(chan struct{}), make(chan struct{})
		grant := sync.OnceFunc(func() {
			close(granting)
			<-claimed
		})
		cluster.StartManager(env.ManagerOptions{
			Transport: lag.wrap,
			Fault: func(request *http.Request) error {
				if request.Method == http.MethodPut && strings.HasSuffix(request.URL.Path, namespace+"/signaturebindings/younger/status") {
					grant()
				}
				return nil
			},
			Bindings: true, Routes: &scriptedRoutes{},
		})
		readyKey(ctx, env.Create(ctx, admin, gen.SignatureKey("orders", gen.InNamespace(namespace))))
		older := env.Create(ctx, admin, gen.SignatureBinding("older", "orders", gen.InNamespace(namespace), gen.WithAPIs("own")))
		env.ExpectReady(ctx, admin, older, metav1.ConditionTrue, signetv1alpha1.ReasonBound)

		younger := env.Create(ctx, admin, gen.SignatureBinding("younger", "orders", gen.InNamespace(namespace), gen.WithAPIs("shared"), rival))
		Eventually(granting).Should(BeClosed())
		env.Update(ctx, admin, older, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.APIs = append(b.Spec.APIs, signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "shared"))
		})
		close(claimed)
		env.ExpectReady(ctx, admin, older, metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		Eventually(lag.stopping).Should(BeTrue(), "the manager has seen its own write")
		Expect(holders(Default, ctx, namespace, "shared")).To(Equal([]string{"younger"}))

		open()
		env.ExpectReady(ctx, admin, younger, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		Consistently(func(g Gomega) []string { return holders(g, ctx, namespace, "shared") }).Should(Equal([]string{"younger"}))
	})
})
