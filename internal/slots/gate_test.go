// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"testing"

	"github.com/signet-dev/signet/internal/slots"
)

// The gates of decisions and of keys admit one at a time, and call exactly once a
// waiter that found them closed.
func TestGates(t *testing.T) {
	for name, enter := range map[string]func(*slots.ClaimCache, string, slots.Waiter) (func(), bool){
		"decisions about a namespace": func(c *slots.ClaimCache, name string, waiter slots.Waiter) (func(), bool) {
			_, end, ok := c.Decide(name, waiter)
			return end, ok
		},
		"writers of a key": func(c *slots.ClaimCache, name string, waiter slots.Waiter) (func(), bool) {
			return c.WriteKey("shop", name, waiter)
		},
	} {
		t.Run(name, func(t *testing.T) {
			claims, calls := slots.NewClaimCache(), map[string]int{}
			waiter := func(id string) slots.Waiter { return slots.Waiter{ID: id, Retry: func() { calls[id]++ }} }
			end, ok := enter(claims, "first", waiter("a"))
			if !ok {
				t.Fatal("an open gate admits nobody")
			}
			for _, id := range []string{"b", "c", "b"} {
				if _, ok := enter(claims, "first", waiter(id)); ok {
					t.Fatalf("a closed gate admits %s", id)
				}
			}
			if endOther, ok := enter(claims, "second", waiter("d")); !ok {
				t.Error("the gate of another name is closed, too")
			} else {
				endOther()
			}
			if len(calls) > 0 {
				t.Errorf("%v are called while the gate is closed", calls)
			}
			end()
			if calls["a"] != 0 || calls["b"] != 1 || calls["c"] != 1 || calls["d"] != 0 {
				t.Errorf("calls = %v, want b and c once", calls)
			}
			if end, ok = enter(claims, "first", waiter("e")); !ok {
				t.Error("the gate has not opened")
			}
			end()
			if calls["b"] != 1 {
				t.Error("a waiter is called again")
			}
		})
	}
}

// A namespace from which all bindings and keys have gone costs nothing.
func TestEmptyNamespaceIsDropped(t *testing.T) {
	claims := slots.NewClaimCache()
	claims.MarkPrimed("1")
	first := binding("first", 1, 10, "")
	claims.Update(first)
	claims.Namespace("shop").SetProtection("orders", "uid", slots.ProtectionProtected)
	claims.Delete(first)
	if len(claims.Namespaces()) != 1 {
		t.Error("the protection of a key is forgotten")
	}
	claims.ObserveKey("shop", "orders", nil)
	if got := claims.Namespaces(); len(got) != 0 {
		t.Errorf("the namespaces %v are kept", got)
	}
}
