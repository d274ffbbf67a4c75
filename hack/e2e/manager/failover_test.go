// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"net/http"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/slotwatch"
)

// shortLease is as short as a busy machine allows.
var shortLease = []string{
	"--leader-elect", "--leader-elect-namespace=" + env.SystemNamespace,
	"--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=500ms",
}

// contest is a namespace with a key, and two bindings that want one API.
type contest struct {
	namespace      string
	older, younger *signetv1alpha1.SignatureBinding
}

func newContest(ctx context.Context) *contest {
	GinkgoHelper()
	c := &contest{namespace: env.NewNamespace(ctx, admin)}
	w, err := slotwatch.Watch(ctx, cluster.Config, c.namespace)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		w.Stop()
		Expect(w.Seen()).NotTo(BeZero())
		Expect(w.Doubles()).To(BeEmpty(), "slots that two bindings held at one instant")
	})
	in := gen.InNamespace(c.namespace)
	env.Create(ctx, admin, gen.SignatureKey("orders", in))
	c.older = gen.SignatureBinding("older", "orders", in)
	// With the same header, they would be on standby for each other.
	c.younger = gen.SignatureBinding("younger", "orders", in, gen.WithSignatureHeader("X-Signature"))
	return c
}

func (c *contest) status(binding string) string {
	return "/apis/signet.dev/v1alpha1/namespaces/" + c.namespace + "/signaturebindings/" + binding + "/status"
}

func (c *contest) create(ctx context.Context, binding *signetv1alpha1.SignatureBinding, names ...string) {
	GinkgoHelper()
	gen.WithAPIs(names...)(binding)
	env.Create(ctx, admin, binding)
}

func (c *contest) list(ctx context.Context, binding *signetv1alpha1.SignatureBinding, names ...string) {
	GinkgoHelper()
	env.Update(ctx, admin, binding, func(b *signetv1alpha1.SignatureBinding) {
		b.Spec.APIs = nil
		gen.WithAPIs(names...)(b)
	})
}

// expect waits until a binding holds the shared API, and the other does not.
func (c *contest) expect(ctx context.Context, winner string) {
	GinkgoHelper()
	Eventually(func(g Gomega) { c.check(g, ctx, winner) }).Should(Succeed())
}

func (c *contest) check(g Gomega, ctx context.Context, winner string) {
	var list signetv1alpha1.SignatureBindingList
	g.Expect(admin.List(ctx, &list, client.InNamespace(c.namespace))).To(Succeed())
	for i := range list.Items {
		var held []string
		for _, slot := range slots.HeldBy(&list.Items[i]) {
			held = append(held, slot.Name)
		}
		if name := list.Items[i].Name; name == winner {
			g.Expect(held).To(ContainElement("shared"), name)
		} else {
			g.Expect(held).NotTo(ContainElement("shared"), name)
		}
	}
}

// leaseHolder returns the identity of the leader.
func leaseHolder(g Gomega, ctx context.Context) string {
	var lease coordinationv1.Lease
	g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: env.SystemNamespace, Name: "signet-controller-manager"}, &lease)).To(Succeed())
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

var _ = Describe("A leader that is stopped between two writes for longer than its lease", func() {
	var (
		first *process
		c     *contest
	)
	BeforeEach(func(ctx SpecContext) {
		first = startProcess(ctx, env.SystemNamespace, shortLease...)
		c = newContest(ctx)
		c.create(ctx, c.older, "own")
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(c.older), c.older)).To(Succeed())
			g.Expect(c.older.Status.BoundAPIs).To(BeEquivalentTo(1))
		}).Should(Succeed())
		startProcess(ctx, env.SystemNamespace, shortLease...)
	})

	// freeze stops the first leader with a request in the trap, and has the
	// second give the API to the older binding meanwhile.
	freeze := func(ctx context.Context, t *trap) {
		GinkgoHelper()
		Eventually(t.caught).Should(BeClosed())
		leader := leaseHolder(Default, ctx)
		first.Signal(syscall.SIGSTOP)
		c.list(ctx, c.older, "own", "shared")
		Eventually(func(g Gomega) string { return leaseHolder(g, ctx) }).ShouldNot(Equal(leader))
		c.expect(ctx, "older")
	}
	// over expects that the first leader gives up, and that all is as before.
	over := func(ctx context.Context) {
		GinkgoHelper()
		Eventually(first.Ended()).Should(BeClosed())
		c.check(Default, ctx, "older")
	}

	It("cannot complete a grant to a binding whose status reported a conflict", func(ctx SpecContext) {
		c.list(ctx, c.older, "own", "shared")
		c.expect(ctx, "older")
		c.create(ctx, c.younger, "shared")
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(c.younger), c.younger)).To(Succeed())
			g.Expect(c.younger.Status.APIs).To(ConsistOf(HaveField("State", signetv1alpha1.APIConflicted)))
		}).Should(Succeed())
		t := first.gate.set(http.MethodPut, c.status("younger"))
		c.list(ctx, c.older, "own")
		freeze(ctx, t)
		t.release()
		Eventually(t.answered).Should(Receive(Equal(http.StatusConflict)))
		first.Signal(syscall.SIGCONT)
		over(ctx)
	})

	It("cannot complete a grant to a binding without a status", func(ctx SpecContext) {
		t := first.gate.set(http.MethodPut, c.status("younger"))
		c.create(ctx, c.younger, "shared")
		freeze(ctx, t)
		first.Signal(syscall.SIGCONT)
		t.release()
		Eventually(t.answered).Should(Receive(Equal(http.StatusConflict)))
		over(ctx)
	})

	It("writes nothing more when it wakes up", func(ctx SpecContext) {
		c.list(ctx, c.older, "own", "shared")
		c.expect(ctx, "older")
		c.create(ctx, c.younger, "shared")
		t := first.gate.set(http.MethodPut, c.status("older"))
		c.list(ctx, c.older, "own")
		freeze(ctx, t)
		before := first.gate.writes()
		first.Signal(syscall.SIGCONT)
		t.release()
		Eventually(t.answered).Should(Receive(Equal(http.StatusConflict)))
		over(ctx)
		Expect(first.gate.writes()).To(Equal(before))
	})
})
