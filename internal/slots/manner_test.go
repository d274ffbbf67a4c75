package slots_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

func TestSignsFor(t *testing.T) {
	type change func(holder, claimant *signetv1alpha1.SignatureBinding)
	cases := map[string]struct {
		change change
		want   bool
	}{
		"the same key, nothing said": {func(_, _ *signetv1alpha1.SignatureBinding) {}, true},
		"another key":                {func(_, c *signetv1alpha1.SignatureBinding) { c.Spec.KeyRef.Name = "other" }, false},
		"the holder is to move to another key, and has not yet": {
			func(h, _ *signetv1alpha1.SignatureBinding) { h.Spec.KeyRef.Name = "other" }, true,
		},
		"the holder has moved to another key": {
			func(h, _ *signetv1alpha1.SignatureBinding) { h.Status.KeyName = "other" }, false,
		},
		"the default said aloud": {func(_, c *signetv1alpha1.SignatureBinding) {
			c.Spec.Payload, c.Spec.SignatureHeader = signetv1alpha1.PayloadUnsigned, "authorization"
		}, true},
		"another payload": {func(_, c *signetv1alpha1.SignatureBinding) { c.Spec.Payload = signetv1alpha1.PayloadSigned }, false},
		"another header":  {func(_, c *signetv1alpha1.SignatureBinding) { c.Spec.SignatureHeader = "X-Signature" }, false},
		"another host":    {func(h, _ *signetv1alpha1.SignatureBinding) { h.Spec.BackendHost = "orders.internal" }, false},
		"the host in other letters": {func(h, c *signetv1alpha1.SignatureBinding) {
			h.Spec.BackendHost, c.Spec.BackendHost = "orders.internal", "Orders.internal"
		}, false},
		"one more signed header": {func(_, c *signetv1alpha1.SignatureBinding) { c.Spec.SignedHeaders = []string{"content-type"} }, false},
		"signed headers in another order": {func(h, c *signetv1alpha1.SignatureBinding) {
			h.Spec.SignedHeaders, c.Spec.SignedHeaders = []string{"a", "b"}, []string{"b", "a"}
		}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			holder := binding("orders", 1, 10, signetv1alpha1.APIBound)
			claimant := binding("orders-renamed", 2, 11, "")
			claimant.Spec.KeyRef.Name = "orders"
			tc.change(holder, claimant)
			if got := slots.SignsAlike(holder, claimant); got != tc.want {
				t.Errorf("SignsFor = %v, want %v", got, tc.want)
			}
		})
	}
}

// renamed is a second binding that signs as the first would.
func renamed(version int, state signetv1alpha1.APIState) *signetv1alpha1.SignatureBinding {
	b := binding("renamed", 2, version, state)
	b.Spec.KeyRef.Name = "old"
	return b
}

// Two claimants that want the same are never Conflicted, from the beginning on:
// one is written as holder, the other need not change.
func TestCovered(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	ledger.Update(binding("old", 1, 10, ""))
	ledger.Update(renamed(11, ""))
	judge(t, ledger, "renamed", slots.Evaluation{Holder: "old", Standby: true, Blockers: []string{"old"}})
	judge(t, ledger, "old", slots.Evaluation{Holder: "old", Blockers: []string{"renamed"}})
	acknowledge(ledger, renamed(12, signetv1alpha1.APIStandby))
	judge(t, ledger, "old", slots.Evaluation{Holder: "old"})
	bound := binding("old", 1, 13, signetv1alpha1.APIBound)
	acknowledge(ledger, bound)
	standing := &bound.Status.APIs[0]
	judge(t, ledger, "renamed", slots.Evaluation{Holder: "old", Standby: true, HolderStatus: standing, RecordedHolder: "old", RecordedHolderAlike: true, Blockers: []string{"old"}})

	dropped := binding("old", 1, 14, signetv1alpha1.APIBound)
	dropped.Spec.APIs = nil
	ledger.Update(dropped)
	judge(t, ledger, "renamed", slots.Evaluation{Holder: "renamed", RecordedHolder: "old", RecordedHolderAlike: true, Blockers: []string{"old"}})
}

// Where the slot would go to one that signs differently, the claimant is not
// promised it: whoever deletes the holder would change the API's key.
func TestRivalComesNext(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	acknowledge(ledger, binding("old", 1, 10, signetv1alpha1.APIBound))
	rival := binding("rival", 1, 11, signetv1alpha1.APIConflicted)
	acknowledge(ledger, rival)
	acknowledge(ledger, renamed(12, ""))
	judge(t, ledger, "renamed", slots.Evaluation{Holder: "old", NextInLine: "rival", RecordedHolder: "old", RecordedHolderAlike: true, Blockers: []string{"old"}})

	// One that comes later is no rival, nor one that signs alike.
	ledger.Delete(rival)
	acknowledge(ledger, binding("zz-later", 3, 13, signetv1alpha1.APIConflicted))
	alike := renamed(14, signetv1alpha1.APIStandby)
	alike.Name, alike.UID, alike.CreationTimestamp = "alike", "alike", metav1.NewTime(at(1))
	acknowledge(ledger, alike)
	ledger.Confirm(renamed(15, signetv1alpha1.APIStandby))
	verdict := ledger.Evaluate("renamed", slot, everybody)
	if !verdict.Standby || verdict.NextInLine != "" {
		t.Errorf("verdict %+v, want it covered", verdict)
	}
}

// Who may not hold the slot is not promised it.
func TestTheIneligibleAreNotCovered(t *testing.T) {
	ledger := slots.NewNamespaceCache()
	acknowledge(ledger, binding("old", 1, 10, signetv1alpha1.APIBound))
	ledger.Update(renamed(11, ""))
	verdict := ledger.Evaluate("renamed", slot, func(b *signetv1alpha1.SignatureBinding) bool { return b.Name != "renamed" })
	if verdict.Eligible || verdict.Standby || verdict.Holder != "old" {
		t.Errorf("verdict %+v, want that it claims nothing and is not covered", verdict)
	}
}
