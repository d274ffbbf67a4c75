// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"testing"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// wavePlan is the sync wave of each object of a change.
type wavePlan struct {
	key, giver, taker, before, after int
}

// syncChanges moves an API from one binding to another, and renames a binding,
// each in one commit that is synced once, in every way that Argo CD orders it.
// With PruneLast or several waves it continues only when all that it has applied
// is healthy, and gives up when something is degraded.
func syncChanges(t *testing.T, w *fixture) {
	for plan, waves := range map[string]wavePlan{
		"without waves":             {},
		"keys, then bindings":       {giver: 1, taker: 1, before: 1, after: 1},
		"giver first, new one last": {giver: 1, taker: 2, before: 1, after: 2},
		"new one first":             {key: -1, giver: 1, taker: 2, before: 2, after: 1},
	} {
		for option, short := range map[string]string{"": "", "PruneLast=true": "-last"} {
			name := fmt.Sprintf("waves-%d%d%d%s", waves.giver, waves.before, waves.after, short)
			t.Run(plan+" "+option, func(t *testing.T) {
				t.Parallel()
				syncChange(t, w, name, option, waves)
			})
		}
	}
	t.Run("taker first", func(t *testing.T) {
		t.Parallel()
		takerFirst(t, w)
	})
	t.Run("by keyRef", func(t *testing.T) {
		t.Parallel()
		moveByKeyRef(t, w)
	})
}

func syncChange(t *testing.T, w *fixture, name, option string, waves wavePlan) {
	shop := w.newApplication(t, name, option, map[string]string{
		"key-orders": inWave(waves.key, key("orders", "")), "key-payments": inWave(waves.key, key("payments", "")),
		"giver":  inWave(waves.giver, binding("giver", "payments", "API/payments", "API/refunds")),
		"taker":  inWave(waves.taker, binding("taker", "orders", "API/orders")),
		"before": inWave(waves.before, binding("before", "payments", "API/ledger")),
		// Objects pruned together with the move, so that Argo CD waits for both.
		"key-old": inWave(waves.key, key("old", "")), "old": inWave(waves.giver, binding("old", "old", "API/old")),
	})
	shop.expectSettled(t)
	t.Run("moves an API", func(t *testing.T) {
		shop.follow(t, map[string]string{
			"giver":   inWave(waves.giver, binding("giver", "payments", "API/payments")),
			"taker":   inWave(waves.taker, binding("taker", "orders", "API/orders", "API/refunds")),
			"key-old": "", "old": "",
		})
		shop.expectSettled(t)
		shop.expectBound(t, "taker", 2)
		shop.expectGone(t, "signaturekey", "old")
	})
	t.Run("renames a binding", func(t *testing.T) {
		shop.follow(t, map[string]string{
			"before": "",
			"after":  inWave(waves.after, binding("after", "payments", "API/ledger")),
		})
		shop.expectSettled(t)
		shop.expectBound(t, "after", 1)
		shop.expectGone(t, "signaturebinding", "before")
	})
}

// takerFirst cannot be synced where the keys differ: the API stays with its
// holder until the holder drops it, and Argo CD waits for the taker before that
// happens. The sync fails with the reason, and the reverse order fixes it. With one
// key it succeeds.
func takerFirst(t *testing.T, w *fixture) {
	shop := w.newApplication(t, "taker-first", "", map[string]string{
		"key-orders": key("orders", ""), "key-payments": key("payments", ""),
		"giver": inWave(2, binding("giver", "payments", "API/payments", "API/refunds", "API/ledger")),
		"taker": inWave(1, binding("taker", "orders", "API/orders")),
	})
	shop.expectSettled(t)
	shop.follow(t, map[string]string{
		"giver": inWave(2, binding("giver", "payments", "API/payments", "API/ledger")),
		"taker": inWave(1, binding("taker", "orders", "API/orders", "API/refunds")),
	})
	shop.expectFailed(t, "SignatureBinding", "taker", `API "refunds" by SignatureBinding "giver"`)
	shop.expectHealth(t, "SignatureBinding", "taker", "Degraded", `API "refunds" by SignatureBinding "giver"`)
	shop.follow(t, map[string]string{
		"giver": inWave(1, binding("giver", "payments", "API/payments", "API/ledger")),
		"taker": inWave(2, binding("taker", "orders", "API/orders", "API/refunds")),
	})
	shop.expectSettled(t)
	shop.expectBound(t, "taker", 2)
	shop.follow(t, map[string]string{
		"giver":         inWave(2, binding("giver", "payments", "API/payments")),
		"taker-of-same": inWave(1, binding("taker-of-same", "payments", "API/ledger")),
	})
	shop.expectSettled(t)
	shop.expectBound(t, "taker-of-same", 1)
}

// moveByKeyRef changes the key of a binding and prunes the old key in the same
// commit: it is released a minute after the move.
func moveByKeyRef(t *testing.T, w *fixture) {
	shop := w.newApplication(t, "by-keyref", "PruneLast=true", map[string]string{
		"key-old": key("old", ""), "key-new": key("new", ""),
		"binding": inWave(1, binding("orders", "old", "API/orders")),
	})
	shop.expectSettled(t)
	shop.follow(t, map[string]string{"key-old": "", "binding": inWave(1, binding("orders", "new", "API/orders"))})
	shop.expectSettled(t)
	shop.expectBound(t, "orders", 1)
	shop.expectGone(t, "signaturekey", "old")
	shop.expectGone(t, "secret", "old")
}

// expectBound waits until the binding holds all its APIs: one that stands by is
// healthy too.
func (a *application) expectBound(t *testing.T, name string, apis int) {
	t.Helper()
	want := fmt.Sprintf("True Bound %d of %d", apis, apis)
	proc.EventuallyLong(t, "SignatureBinding "+name+" to be bound", func() error {
		is := a.kubectl(t, "get", "-n", a.name, "signaturebinding", name, "-o",
			`jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}{end} {.status.boundAPIs} of {.status.totalAPIs}`)
		if is != want {
			return fmt.Errorf("it is %q, want %q", is, want)
		}
		return nil
	})
}
