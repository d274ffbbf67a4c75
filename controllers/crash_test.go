package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/match"
)

// accident is what happens to one write of a manager.
type accident string

const (
	killedBefore accident = "the manager is killed before it sends"
	killedAfter  accident = "the manager is killed when the API server has done"
	answerLost   accident = "the manager is not told the outcome of"
)

// saboteur comes between a manager and the API server. It lets so many writes
// pass, has the accident happen to the next one, and is done.
type saboteur struct {
	what  accident
	after int

	mu     sync.Mutex
	writes int
	dead   bool
}

func (s *saboteur) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		write := request.Method != http.MethodGet && strings.Contains(request.URL.Path, "/namespaces/") && !strings.Contains(request.URL.Path, "/events")
		send, answer := s.judge(write)
		if !send {
			return nil, errCut
		}
		response, err := next.RoundTrip(request)
		if err == nil && !answer {
			_ = response.Body.Close()
			return nil, errCut
		}
		return response, err
	})
}

// judge says whether a request is sent, and whether its answer is let through.
func (s *saboteur) judge(write bool) (send, answer bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return false, false
	}
	if !write {
		return true, true
	}
	s.writes++
	if s.writes != s.after+1 {
		return true, true
	}
	s.dead = s.what != answerLost
	return s.what != killedBefore, false
}

// struck says that the accident has happened.
func (s *saboteur) struck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes > s.after
}

func (s *saboteur) killed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// lifetime is a namespace of its own in which the steps of life are taken,
// under a manager of its own.
type lifetime struct {
	namespace string
	clock     *clocktesting.FakePassiveClock
	saboteur  *saboteur
	manager   *runningManager
}

func newLifetime(ctx context.Context, s *saboteur) *lifetime {
	GinkgoHelper()
	l := &lifetime{namespace: newNamespace(ctx), clock: clocktesting.NewFakePassiveClock(time.Now()), saboteur: s}
	l.start(s.wrap)
	return l
}

func (l *lifetime) start(transport func(http.RoundTripper) http.RoundTripper) {
	GinkgoHelper()
	l.manager = startManager(managerOptions{
		Namespaces: []string{l.namespace}, Clock: l.clock, Transport: transport,
		Add: withBindings(&scriptedRoutes{}, l.clock),
	})
}

// revive starts another manager in the place of one that was killed.
func (l *lifetime) revive() {
	GinkgoHelper()
	if l.saboteur != nil && l.saboteur.killed() {
		l.manager.Stop()
		l.saboteur = nil
		l.start(nil)
	}
}

func (l *lifetime) key(name string, options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
	return gen.SignatureKey(name, append([]gen.KeyOption{gen.InNamespace(l.namespace)}, options...)...)
}

func (l *lifetime) binding(name string, apis ...string) *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding(name, "orders", gen.InNamespace(l.namespace), gen.WithAPIs(apis...))
}

// life is all that happens to two keys and two bindings: what is done, and how
// it is known that the controllers have followed.
var life = []struct {
	name string
	act  func(context.Context, *lifetime)
	done func(context.Context, *lifetime)
}{
	{
		name: "create and bind",
		act: func(ctx context.Context, l *lifetime) {
			create(ctx, l.key("orders"))
			create(ctx, l.binding("first", "shared", "own"))
			create(ctx, gen.SignatureBinding("rival", "orders", gen.InNamespace(l.namespace), gen.WithAPIs("shared"), rival))
		},
		done: func(ctx context.Context, l *lifetime) {
			Ready(ctx, l.binding("first"), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
			Ready(ctx, l.binding("rival"), metav1.ConditionFalse, signetv1alpha1.ReasonConflicted)
		},
	},
	{
		name: "move to another key",
		act: func(ctx context.Context, l *lifetime) {
			create(ctx, gen.SourceSecret("own", map[string]string{"secret": plantedSecret}, gen.InNamespace(l.namespace)))
			create(ctx, l.key("new", gen.WithSource("own"), gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain)))
			change(ctx, l.binding("first"), func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = "new" })
		},
		done: func(ctx context.Context, l *lifetime) {
			Eventually(func(g Gomega) { g.Expect(reload(g, ctx, l.binding("first")).Status.KeyName).To(Equal("new")) }).Should(Succeed())
		},
	},
	{
		name: "end the move",
		act: func(ctx context.Context, l *lifetime) {
			l.clock.SetTime(l.clock.Now().Add(2 * time.Minute))
			change(ctx, l.binding("first"), func(b *signetv1alpha1.SignatureBinding) { b.Labels = map[string]string{"look": "again"} })
		},
		done: func(ctx context.Context, l *lifetime) {
			Eventually(func(g Gomega) { g.Expect(reload(g, ctx, l.binding("first")).Status.PreviousKeys).To(BeEmpty()) }).Should(Succeed())
		},
	},
	{
		name: "delete a key that is claimed",
		act:  func(ctx context.Context, l *lifetime) { Expect(admin.Delete(ctx, l.key("orders"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifetime) {
			eventually(ctx, l.key("orders"), match.InUse(metav1.ConditionTrue, signetv1alpha1.ReasonDeletionBlocked))
		},
	},
	{
		name: "unbind an API",
		act: func(ctx context.Context, l *lifetime) {
			change(ctx, l.binding("first"), func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = b.Spec.APIs[1:] })
		},
		done: func(ctx context.Context, l *lifetime) {
			Ready(ctx, l.binding("rival"), metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		},
	},
	{
		name: "delete the last binding of a deleted key",
		act:  func(ctx context.Context, l *lifetime) { Expect(admin.Delete(ctx, l.binding("rival"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifetime) {
			Eventually(func(g Gomega) {
				beGone(g, ctx, l.key("orders"))
				g.Expect(worldOf(g, ctx, l.namespace)).NotTo(HaveKey("Secret orders"))
			}).WithTimeout(long).Should(Succeed())
		},
	},
	{
		name: "delete the last binding of a living key",
		act:  func(ctx context.Context, l *lifetime) { Expect(admin.Delete(ctx, l.binding("first"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifetime) {
			Eventually(func(g Gomega) { g.Expect(reload(g, ctx, l.key("new")).Finalizers).To(BeEmpty()) }).Should(Succeed())
		},
	},
	{
		name: "delete a key that is not bound",
		act:  func(ctx context.Context, l *lifetime) { Expect(admin.Delete(ctx, l.key("new"))).To(Succeed()) },
		done: func(ctx context.Context, l *lifetime) {
			Eventually(func(g Gomega) { beGone(g, ctx, l.key("new")) }).Should(Succeed())
			Expect(worldOf(Default, ctx, l.namespace)).To(And(HaveLen(2), HaveKey("Secret new"), HaveKey("Secret own")))
		},
	},
}

// undisturbed is what the namespace is like after each step, and how many
// writes it all took.
func undisturbed(ctx context.Context) ([]world, int) {
	GinkgoHelper()
	counter := &saboteur{after: 1 << 30}
	l := newLifetime(ctx, counter)
	var after []world
	for _, step := range life {
		step.act(ctx, l)
		step.done(ctx, l)
		settled(l.manager, l.namespace)
		after = append(after, worldOf(Default, ctx, l.namespace))
	}
	return after, counter.writes
}

// live takes all steps with one accident on the way, and compares what becomes
// of each.
func live(ctx context.Context, s *saboteur, want []world) {
	GinkgoHelper()
	l := newLifetime(ctx, s)
	watchNamespace(ctx, l.namespace)
	archive := watchMaterial(ctx, l.namespace)
	for i, step := range life {
		step.act(ctx, l)
		Eventually(func(g Gomega) {
			l.revive()
			g.Expect(cmp.Diff(want[i], worldOf(g, ctx, l.namespace))).To(BeEmpty())
		}).WithTimeout(long).WithPolling(4*poll).Should(Succeed(), "step %q, when %s write %d", step.name, s.what, s.after)
	}
	l.manager.Stop()
	Eventually(archive.versions).Should(Equal(map[string]int{"orders": 1, "new": 1}), "when %s write %d", s.what, s.after)
}

// abreast is how many lives are lived at a time.
const abreast = 10

var _ = Describe("The life of keys and bindings", Ordered, func() {
	var (
		want   []world
		writes int
	)
	BeforeAll(func(ctx SpecContext) {
		waitForGarbageCollector(ctx)
		want, writes = undisturbed(ctx)
		AddReportEntry(fmt.Sprintf("a life takes %d writes", writes))
	})

	for _, what := range []accident{killedBefore, killedAfter, answerLost} {
		It("comes to the same wherever "+string(what)+" a write", func(ctx SpecContext) {
			for done, n := false, 0; !done; n += abreast {
				var all sync.WaitGroup
				crew := make([]*saboteur, abreast)
				for i := range crew {
					crew[i] = &saboteur{what: what, after: n + i}
					all.Go(func() {
						defer GinkgoRecover()
						live(ctx, crew[i], want)
					})
				}
				all.Wait()
				done = !crew[abreast-1].struck()
				Expect(n).To(BeNumerically("<", 2*writes), "a life that does not end")
			}
		})
	}
})
