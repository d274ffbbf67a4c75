// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSync syncs Signet's objects with a real Argo CD.
func TestSync(t *testing.T) {
	w := newFixture(t)
	w.startManager(t)
	w.expectAdmission(t)
	w.startArgoCD(t)
	t.Run("story", func(t *testing.T) { runParts(t, w) })
	t.Run("changes in one commit", func(t *testing.T) { syncChanges(t, w) })
}

// part is one part of the test. removes names the managed Secret that it may remove.
type part struct {
	name    string
	run     func(*testing.T, *application)
	removes string
}

// runParts runs the parts in order: each begins where the one before has ended.
// Managed Secrets are never pruned: all but those to be removed keep their UID.
func runParts(t *testing.T, w *fixture) {
	shop := w.newApplication(t, "shop", "", map[string]string{
		"source": source, "route": route,
		"key-orders": key("orders", ""), "key-payments": key("payments", ", source: {secretRef: {name: payments-own}}"),
		"key-ledger":       key("ledger", ", target: {deletionPolicy: Retain}"),
		"binding-orders":   binding("orders", "orders", "HTTPRoute/orders"),
		"binding-payments": binding("payments", "payments", "API/payments", "API/refunds"),
		"binding-ledger":   binding("ledger", "ledger", "API/ledger"),
	})
	w.apply(t, "shop", gateway)
	for _, part := range []part{
		{name: "waits for the route, then all is healthy", run: becomesHealthy},
		{name: "does not drift", run: doesNotDrift},
		{name: "would be seen to drift", run: seesDrift},
		{name: "would be seen to be written", run: seesWrites},
		{name: "shows what is wrong", run: showsWhatIsWrong},
		{name: "prunes what carries its tracking", run: prunesTracked},
		{name: "prunes key and binding in one commit", run: prunes, removes: "orders"},
		{name: "gives retained material back", run: keepsRetained},
	} {
		before := shop.secrets(t)
		if !t.Run(part.name, func(t *testing.T) { part.run(t, shop) }) {
			return
		}
		after := shop.secrets(t)
		for name, uid := range before {
			if name != part.removes && after[name] != uid {
				t.Fatalf("%s: Secret %s had the UID %s and has %q", part.name, name, uid, after[name])
			}
		}
	}
}

func becomesHealthy(t *testing.T, shop *application) {
	shop.expectHealth(t, "SignatureBinding", "orders", "Progressing", "never published")
	shop.kubectl(t, "patch", "-n", "shop", "httproute", "orders", "--subresource=status", "--type=merge", "-p", accepted)
	shop.expectSettled(t)
	shop.expectChild(t, "orders")
	shop.expectChild(t, "payments")
	if found := len(shop.secrets(t)); found != 3 {
		t.Fatalf("there are %d managed Secrets, want those of 3 keys", found)
	}
}

func doesNotDrift(t *testing.T, shop *application) {
	must(t, shop.drift(t))
}

// seesDrift changes a field that Git sets, without self-healing.
func seesDrift(t *testing.T, shop *application) {
	const heal = `{"spec":{"syncPolicy":{"automated":{"selfHeal":%t}}}}`
	shop.kubectl(t, "patch", "-n", "argocd", "application", "shop", "--type=merge", "-p", fmt.Sprintf(heal, false))
	shop.kubectl(t, "patch", "-n", "shop", "signaturebinding", "payments", "--type=merge", "-p", `{"spec":{"environment":"staging"}}`)
	err := shop.drift(t)
	if err == nil || err.Error() != "SignatureBinding payments is OutOfSync" {
		t.Errorf("drift = %v, want SignatureBinding payments to be OutOfSync", err)
	}
	shop.kubectl(t, "patch", "-n", "argocd", "application", "shop", "--type=merge", "-p", fmt.Sprintf(heal, true))
	shop.refresh(t, "normal")
	shop.expectSettled(t)
}

// seesWrites repeatedly writes a field that Git does not set, as a controller would.
func seesWrites(t *testing.T, shop *application) {
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ctx.Err() == nil; n++ {
			_ = shop.try(ctx, "", "annotate", "--overwrite", "-n", "shop", "signaturekey", "payments", fmt.Sprintf("example.com/seen=%d", n))
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	err := shop.drift(t)
	stop()
	<-stopped
	if err == nil || !strings.HasPrefix(err.Error(), "objects were written:") {
		t.Errorf("drift = %v, want objects that were written", err)
	}
	shop.kubectl(t, "annotate", "-n", "shop", "signaturekey", "payments", "example.com/seen-")
	shop.expectSettled(t)
}

func showsWhatIsWrong(t *testing.T, shop *application) {
	shop.follow(t, map[string]string{
		"binding-takeover": binding("takeover", "orders", "API/payments"),
		"key-copy":         key("copy", ", source: {secretRef: {name: orders}}"),
		"key-pending":      key("pending", ", source: {secretRef: {name: missing}}"),
	})
	shop.expectHealth(t, "SignatureBinding", "takeover", "Degraded", `API "payments" by SignatureBinding "payments"`)
	shop.expectHealth(t, "SignatureKey", "copy", "Degraded", "Name another Secret")
	shop.expectHealth(t, "SignatureKey", "pending", "Progressing", `Secret "missing" does not exist`)
	shop.follow(t, map[string]string{"binding-takeover": "", "key-copy": "", "key-pending": ""})
	shop.expectSettled(t)
}

// prunesTracked shows that Argo CD does prune what it believes to be its own
// and does not find in Git. The managed Secrets next to it stay.
func prunesTracked(t *testing.T, shop *application) {
	shop.apply(t, "shop", stray)
	shop.refresh(t, "normal")
	shop.expectGone(t, "secret", "stray")
	shop.expectSettled(t)
	must(t, shop.drift(t))
}

func prunes(t *testing.T, shop *application) {
	shop.follow(t, map[string]string{"key-orders": "", "binding-orders": ""})
	shop.expectSettled(t)
	shop.expectGone(t, "signaturekey", "orders")
	shop.expectGone(t, "signaturebinding", "orders")
	shop.expectGone(t, "secret", "orders")
}

// keepsRetained expects the material, and not only the Secret, to be the same:
// part of the story is that no Secret has another UID.
func keepsRetained(t *testing.T, shop *application) {
	const material = "jsonpath={.data.key}/{.data.secret}"
	before := shop.kubectl(t, "get", "-n", "shop", "secret", "ledger", "-o", material)
	shop.follow(t, map[string]string{"key-ledger": "", "binding-ledger": ""})
	shop.expectSettled(t)
	shop.expectGone(t, "signaturekey", "ledger")
	must(t, shop.drift(t))
	shop.follow(t, map[string]string{
		"key-ledger":     key("ledger", ", target: {deletionPolicy: Retain}"),
		"binding-ledger": binding("ledger", "ledger", "API/ledger"),
	})
	shop.expectSettled(t)
	if after := shop.kubectl(t, "get", "-n", "shop", "secret", "ledger", "-o", material); after != before {
		t.Error("the material is another one")
	}
}
