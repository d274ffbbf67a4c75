// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// lifecycle takes the lifecycle steps in a namespace of its own, under a manager
// of its own.
type lifecycle struct {
	namespace string
	clock     *clocktesting.FakePassiveClock
	fault     *env.FaultTransport
	manager   *env.Manager
}

func newLifecycle(ctx context.Context, fault *env.FaultTransport) *lifecycle {
	GinkgoHelper()
	l := &lifecycle{namespace: env.NewNamespace(ctx, admin), clock: clocktesting.NewFakePassiveClock(time.Now()), fault: fault}
	l.start(fault.Wrap) //nolint:contextcheck // the manager outlives the context of the step
	return l
}

func (l *lifecycle) start(transport func(http.RoundTripper) http.RoundTripper) {
	GinkgoHelper()
	l.manager = cluster.StartManager(env.ManagerOptions{
		Namespaces: []string{l.namespace}, Clock: l.clock, Transport: transport,
		Bindings: true, Routes: &scriptedRoutes{},
	})
}

// restart replaces a manager that was killed.
func (l *lifecycle) restart() {
	GinkgoHelper()
	if l.fault != nil && l.fault.Killed() {
		l.manager.Stop()
		l.fault = nil
		l.start(nil)
	}
}

func (l *lifecycle) key(name string, options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
	return gen.SignatureKey(name, append([]gen.KeyOption{gen.InNamespace(l.namespace)}, options...)...)
}

func (l *lifecycle) binding(name string, apis ...string) *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding(name, "orders", gen.InNamespace(l.namespace), gen.WithAPIs(apis...))
}

// lifecycleSteps are all that happens to two keys and two bindings: each step
// acts, and knows when the controllers have followed.
var lifecycleSteps = []struct {
	name string
	act  func(context.Context, *lifecycle)
	done func(context.Context, *lifecycle)
}{
	{
		name: "create and bind",
		act: func(ctx context.Context, l *lifecycle) {
			env.Create(ctx, admin, l.key("orders"))
			env.Create(ctx, admin, l.binding("first", "shared", "own"))
			env.Create(ctx, admin, gen.SignatureBinding("rival", "orders", gen.InNamespace(l.namespace), gen.WithAPIs("shared"), rival))
		},
		done: func(ctx context.Context, l *lifecycle) {
			env.ExpectReady(ctx, admin, l.binding("first"), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			env.ExpectReady(ctx, admin, l.binding("rival"), metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		},
	},
	{
		name: "move to another key",
		act: func(ctx context.Context, l *lifecycle) {
			env.Create(ctx, admin, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(l.namespace)))
			env.Create(ctx, admin, l.key("new", gen.WithSource("own"), gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain)))
			env.Update(ctx, admin, l.binding("first"), func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = "new" })
		},
		done: func(ctx context.Context, l *lifecycle) {
			Eventually(func(g Gomega) {
				g.Expect(env.Reload(g, ctx, admin, l.binding("first")).Status.KeyName).To(Equal("new"))
			}).Should(Succeed())
		},
	},
	{
		name: "end the move",
		act: func(ctx context.Context, l *lifecycle) {
			l.clock.SetTime(l.clock.Now().Add(2 * time.Minute))
			env.Update(ctx, admin, l.binding("first"), func(b *signetv1alpha1.SignatureBinding) { b.Labels = map[string]string{"look": "again"} })
		},
		done: func(ctx context.Context, l *lifecycle) {
			Eventually(func(g Gomega) {
				g.Expect(env.Reload(g, ctx, admin, l.binding("first")).Status.PreviousKeys).To(BeEmpty())
			}).Should(Succeed())
		},
	},
	{
		name: "delete a key that is claimed",
		act:  func(ctx context.Context, l *lifecycle) { Expect(admin.Delete(ctx, l.key("orders"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifecycle) {
			eventually(ctx, l.key("orders"), match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonDeletionBlocked))
		},
	},
	{
		name: "unbind an API",
		act: func(ctx context.Context, l *lifecycle) {
			env.Update(ctx, admin, l.binding("first"), func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = b.Spec.APIs[1:] })
		},
		done: func(ctx context.Context, l *lifecycle) {
			env.ExpectReady(ctx, admin, l.binding("rival"), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		},
	},
	{
		name: "delete the last binding of a deleted key",
		act:  func(ctx context.Context, l *lifecycle) { Expect(admin.Delete(ctx, l.binding("rival"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifecycle) {
			Eventually(func(g Gomega) {
				env.ExpectGone(g, ctx, admin, l.key("orders"))
				g.Expect(stateOf(g, ctx, l.namespace)).NotTo(HaveKey("Secret orders"))
			}).WithTimeout(proc.Long).Should(Succeed())
		},
	},
	{
		name: "delete the last binding of a living key",
		act:  func(ctx context.Context, l *lifecycle) { Expect(admin.Delete(ctx, l.binding("first"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifecycle) {
			Eventually(func(g Gomega) { g.Expect(env.Reload(g, ctx, admin, l.key("new")).Finalizers).To(BeEmpty()) }).Should(Succeed())
		},
	},
	{
		name: "delete a key that is not bound",
		act:  func(ctx context.Context, l *lifecycle) { Expect(admin.Delete(ctx, l.key("new"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifecycle) {
			Eventually(func(g Gomega) { env.ExpectGone(g, ctx, admin, l.key("new")) }).Should(Succeed())
			Expect(stateOf(Default, ctx, l.namespace)).To(And(HaveLen(2), HaveKey("Secret new"), HaveKey("Secret own")))
		},
	},
}

// runUndisturbed takes all steps, and returns the state after each and the number
// of writes.
func runUndisturbed(ctx context.Context) ([]namespaceState, int) {
	GinkgoHelper()
	counter := env.NewFaultTransport(env.ResponseLost, math.MaxInt32)
	l := newLifecycle(ctx, counter)
	var after []namespaceState
	for _, step := range lifecycleSteps {
		step.act(ctx, l)
		step.done(ctx, l)
		settled(l.manager, l.namespace)
		after = append(after, stateOf(Default, ctx, l.namespace))
	}
	return after, counter.Writes()
}

// runWithFault takes all steps with one fault on the way, and compares the state
// after each.
func runWithFault(ctx context.Context, fault env.Fault, after int, want []namespaceState) *env.FaultTransport {
	GinkgoHelper()
	transport, what := env.NewFaultTransport(fault, after), fmt.Sprintf("when %s write %d", fault, after)
	l := newLifecycle(ctx, transport)
	watchNamespace(ctx, l.namespace)
	recorder, err := env.RecordMaterial(ctx, admin, l.namespace)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(recorder.Stop)
	for i, step := range lifecycleSteps {
		step.act(ctx, l)
		Eventually(func(g Gomega) {
			l.restart() //nolint:contextcheck // the manager outlives the context of the step
			g.Expect(cmp.Diff(want[i], stateOf(g, ctx, l.namespace))).To(BeEmpty())
		}).WithTimeout(proc.Long).WithPolling(4*proc.Poll).Should(Succeed(), "step %q, %s", step.name, what)
	}
	l.manager.Stop()
	Eventually(recorder.Versions).Should(Equal(map[string]int{"orders": 1, "new": 1}), what)
	return transport
}

// parallel is how many lifecycles run at a time.
const parallel = 10

var _ = Describe("The lifecycle of keys and bindings", Ordered, func() {
	var (
		want   []namespaceState
		writes int
	)
	BeforeAll(func(ctx SpecContext) {
		waitForGarbageCollector(ctx)
		want, writes = runUndisturbed(ctx)
		AddReportEntry(fmt.Sprintf("a lifecycle takes %d writes", writes))
	})

	for _, fault := range []env.Fault{env.KilledBefore, env.KilledAfter, env.ResponseLost} {
		It("ends in the same state wherever "+string(fault)+" a write", func(ctx SpecContext) {
			for done, n := false, 0; !done; n += parallel {
				var all sync.WaitGroup
				transports := make([]*env.FaultTransport, parallel)
				for i := range transports {
					all.Go(func() {
						defer GinkgoRecover()
						transports[i] = runWithFault(ctx, fault, n+i, want)
					})
				}
				all.Wait()
				// A transport is missing if its lifecycle has failed the spec.
				last := transports[parallel-1]
				done = last == nil || !last.Applied()
				Expect(n).To(BeNumerically("<", 2*writes), "a lifecycle that does not end")
			}
		})
	}
})
