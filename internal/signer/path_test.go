// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"strings"
	"testing"

	"github.com/signet-dev/signet/internal/slots"
)

func TestExactSlot(t *testing.T) {
	want := slots.Slot{Namespace: "team-a", Environment: "RELEASE", Kind: "API", Name: "legacy.v1_x-y"}
	for _, target := range []string{
		"/sign/team-a/RELEASE/API/legacy.v1_x-y", "/sign/team-a/RELEASE/API/legacy.v1_x-y?", "/sign/team-a/RELEASE/API/legacy.v1_x-y?a=/../b",
	} {
		if slot, err := exactSlot(target, prefixSign); err != nil || slot != want {
			t.Errorf("%s: %v, %v", target, slot, err)
		}
	}
	for name, target := range map[string]string{
		"trailing slash":      "/sign/team-a/RELEASE/API/orders/",
		"six segments":        "/sign/team-a/RELEASE/API/orders/more",
		"four segments":       "/sign/team-a/RELEASE/API",
		"empty segment":       "/sign/team-a//API/orders",
		"empty name":          "/sign/team-a/RELEASE/API/",
		"double slash":        "//sign/team-a/RELEASE/API/orders",
		"dot segments":        "/sign/../sign/team-a/RELEASE/API/orders",
		"dots as a name":      "/sign/team-a/RELEASE/API/..",
		"escaped letter":      "/sign/team%2da/RELEASE/API/orders",
		"escaped slash":       "/sign/team-a%2fRELEASE/API/orders",
		"other endpoint":      "/verify/team-a/RELEASE/API/orders",
		"upper case":          "/SIGN/team-a/RELEASE/API/orders",
		"unknown kind":        "/sign/team-a/RELEASE/Route/orders",
		"a whole URL":         "http://signer/sign/team-a/RELEASE/API/orders",
		"asterisk":            "*",
		"empty":               "",
		"fragment":            "/sign/team-a/RELEASE/API/orders#x",
		"too long":            "/sign/team-a/RELEASE/API/" + strings.Repeat("a", 254),
		"asterisk as a name":  "/sign/*/RELEASE/API/orders",
		"question in between": "/sign/team-a/RELEASE?/API/orders",
	} {
		if slot, err := exactSlot(target, prefixSign); err == nil {
			t.Errorf("%s: %s is %v", name, target, slot)
		}
	}
}

// FuzzNoClientChangesTheSlot: the gateway's configuration sets the beginning of
// the target, the client the rest.
func FuzzNoClientChangesTheSlot(f *testing.F) {
	for _, rest := range []string{
		"/", "", "/v1/items?b=2", "/../../../payments", "/%2e%2e/%2e%2e/payments", "//x//../..", "/..;/x", "/\\..\\", "?/../x", "#", "/a?/envoy/team-b/RELEASE/API/x",
	} {
		f.Add(rest)
	}
	want := slots.Slot{Namespace: "team-a", Environment: "RELEASE", Kind: "API", Name: "orders"}
	f.Fuzz(func(t *testing.T, rest string) {
		// Envoy appends a path that begins with a slash, Caddy a query.
		if slot, target, err := cutSlot("/envoy/team-a/RELEASE/API/orders/"+rest, prefixEnvoy); err != nil || slot != want || target != "/"+rest {
			t.Errorf("envoy: %v %q %v", slot, target, err)
		}
		if slot, err := exactSlot("/sign/team-a/RELEASE/API/orders?"+rest, prefixSign); err != nil || slot != want {
			t.Errorf("sign: %v %v", slot, err)
		}
		// Without a separator, the rest can only extend the name of the slot or
		// make the path invalid.
		if slot, err := exactSlot("/sign/team-a/RELEASE/API/orders"+rest, prefixSign); err == nil && slot != want && !strings.HasPrefix(slot.Name, "orders") {
			t.Errorf("sign: %v", slot)
		}
	})
}
