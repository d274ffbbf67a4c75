// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/signet-dev/signet/internal/slots"
)

// A watch event ends the memory of a finalizer that another client has removed, but
// not an event that is older than what this leader knows.
func TestWatchCorrectsTheProtection(t *testing.T) {
	for name, test := range map[string]struct {
		missing slots.ProtectedVersions
		uid     types.UID
		want    slots.ProtectionState
	}{
		"both have it":                   {slots.ProtectedVersions{}, "first", slots.ProtectionProtected},
		"the key lacks it":               {slots.ProtectedVersions{Key: "11"}, "first", slots.ProtectionUnknown},
		"the Secret lacks it":            {slots.ProtectedVersions{Secret: "21"}, "first", slots.ProtectionUnknown},
		"the key lacked it earlier":      {slots.ProtectedVersions{Key: "9"}, "first", slots.ProtectionProtected},
		"the Secret lacked it earlier":   {slots.ProtectedVersions{Secret: "19"}, "first", slots.ProtectionProtected},
		"another key of the name has no": {slots.ProtectedVersions{Key: "30"}, "second", slots.ProtectionProtected},
	} {
		t.Run(name, func(t *testing.T) {
			cache := slots.NewNamespaceCache("shop")
			cache.SetProtected("orders", "first", slots.ProtectedVersions{Key: "10", Secret: "20"})
			cache.Unprotected("orders", test.uid, test.missing)
			if got := cache.Protection("orders", "first"); got != test.want {
				t.Errorf("Protection = %v, want %v", got, test.want)
			}
		})
	}
}

func TestProtectionBelongsToOneUID(t *testing.T) {
	cache := slots.NewNamespaceCache("shop")
	cache.SetProtection("orders", "first", slots.ProtectionProtected)
	for uid, want := range map[types.UID]slots.ProtectionState{
		"first": slots.ProtectionProtected, "second": slots.ProtectionUnknown, "": slots.ProtectionUnknown,
	} {
		if got := cache.Protection("orders", uid); got != want {
			t.Errorf("Protection(%q) = %v, want %v", uid, got, want)
		}
		if got := cache.IsProtected("orders", uid); got != (want == slots.ProtectionProtected) {
			t.Errorf("IsProtected(%q) = %t", uid, got)
		}
	}
}

func TestOnlyProtectedAllowsAGrant(t *testing.T) {
	cache := slots.NewNamespaceCache("shop")
	for _, state := range []slots.ProtectionState{
		slots.ProtectionUnknown, slots.ProtectionProtected, slots.ProtectionReleasing,
	} {
		cache.SetProtection("orders", "first", state)
		if got := cache.Protection("orders", "first"); got != state {
			t.Errorf("Protection = %v, want %v", got, state)
		}
		if got := cache.IsProtected("orders", "first"); got != (state == slots.ProtectionProtected) {
			t.Errorf("IsProtected while %v = %t", state, got)
		}
	}
}
