// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	// updateWorkers send requests at the same time.
	updateWorkers = 64
	// endpointLag is how long nodes still connect to a Pod that is ending.
	endpointLag = 300 * time.Millisecond
)

// service passes connections on to managers, as a Service does.
type service struct {
	net.Listener
	mu    sync.Mutex
	ready []string
}

func serveService() *service {
	GinkgoHelper()
	opened, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", webhookAddress)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(opened.Close)
	s := &service{Listener: opened}
	go func() {
		for {
			conn, err := opened.Accept()
			if err != nil {
				return
			}
			go s.pass(conn)
		}
	}()
	return s
}

// pass passes one connection on, in both directions, until either end closes it.
func (s *service) pass(from net.Conn) {
	defer func() { _ = from.Close() }()
	s.mu.Lock()
	address := s.ready[rand.IntN(len(s.ready))]
	s.mu.Unlock()
	to, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
}

func (s *service) set(change func([]string) []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = change(slices.Clone(s.ready))
}

// add starts a manager behind the service.
func (s *service) add(ctx context.Context, flags ...string) *env.ManagerProcess {
	GinkgoHelper()
	started, err := cluster.StartManagerProcess(ctx, env.ProcessOptions{
		Binary: binary, Name: fmt.Sprintf("manager-%d", rand.IntN(1e6)), Flags: append([]string{"--leader-elect", "--shutdown-delay=2s"}, flags...), Output: logs,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(started.Stop)
	s.set(func(ready []string) []string { return append(ready, started.Webhooks) })
	return started
}

// end ends a manager as a Pod is ended: nodes notice later.
func (s *service) end(leaving *env.ManagerProcess) {
	GinkgoHelper()
	time.AfterFunc(endpointLag, func() {
		s.set(func(ready []string) []string {
			return slices.DeleteFunc(ready, func(address string) bool { return address == leaving.Webhooks })
		})
	})
	Expect(leaving.Stop()).To(Succeed())
}

// load sends requests that admission decides, until it is ended.
type load struct {
	sent, failed atomic.Int64
	mu           sync.Mutex
	// errs are the first ones.
	errs []error
	end  context.CancelFunc
	work sync.WaitGroup
}

func startLoad(namespace string, existing client.Object) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{end: cancel}
	for i := range updateWorkers {
		l.work.Go(func() {
			for ctx.Err() == nil {
				err := sendDryRun(ctx, i, namespace, existing)
				if errors.Is(err, context.Canceled) || ctx.Err() != nil {
					return
				}
				l.sent.Add(1)
				if err != nil && l.failed.Add(1) <= 5 {
					l.mu.Lock()
					l.errs = append(l.errs, err)
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

// sendDryRun creates an object in half of the workers, and updates one in the others.
func sendDryRun(ctx context.Context, worker int, namespace string, existing client.Object) error {
	if worker%2 == 0 {
		return admin.Create(ctx, gen.SignatureKey("fresh", gen.InNamespace(namespace)), client.DryRunAll)
	}
	changed := existing.DeepCopyObject().(*signetv1alpha1.SignatureKey)
	changed.ResourceVersion = ""
	return admin.Patch(ctx, changed, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"rotation":{"interval":"720h"}}}`)), client.DryRunAll)
}

// stop ends the load and returns the first errors.
func (l *load) stop() []error {
	l.end()
	l.work.Wait()
	return l.errs
}

// stops is how often a manager stops. MANAGER_STOPS changes it.
func stops() int {
	if text := os.Getenv("MANAGER_STOPS"); text != "" {
		count, err := strconv.Atoi(text)
		Expect(err).NotTo(HaveOccurred())
		return count
	}
	return 4
}

var _ = Describe("a rolling update", func() {
	It("fails no request", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		existing := env.Create(ctx, admin, gen.SignatureKey("existing", gen.InNamespace(namespace)))
		withoutManager()
		s := serveService()
		running := []*env.ManagerProcess{s.add(ctx), s.add(ctx)}
		Expect(cluster.WaitAdmission(ctx)).To(Succeed())
		requests := startLoad(namespace, existing)
		DeferCleanup(requests.stop)
		for range stops() {
			before := requests.sent.Load()
			Eventually(func() int64 { return requests.sent.Load() - before }).Should(BeNumerically(">", 2*updateWorkers))
			running = append(running, s.add(ctx))
			s.end(running[0])
			running = running[1:]
		}
		errs := requests.stop()
		AddReportEntry("requests", fmt.Sprintf("%d of %d failed in %d stops", requests.failed.Load(), requests.sent.Load(), stops()))
		Expect(errs).To(BeEmpty(), "%d of %d failed: %v", requests.failed.Load(), requests.sent.Load(), errs)
	})
})
