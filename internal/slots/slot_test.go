// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

func TestSlotString(t *testing.T) {
	if got, want := slot.String(), "shop/RELEASE/API/orders"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	if got := slot.API(); got != orders {
		t.Errorf("API = %v, want %v", got, orders)
	}
}

// During a change of the environment a binding lists its APIs in the new one and
// holds them in the old one.
func TestListedAndHeldSlots(t *testing.T) {
	moving := binding("orders", 1, 10, signetv1alpha1.APIBound)
	moving.Spec.Environment = "STAGING"
	moving.Status.APIs = append(moving.Status.APIs, signetv1alpha1.APIStatus{Kind: orders.Kind, Name: "lost", State: signetv1alpha1.APIConflicted})
	staging := slot
	staging.Environment = "STAGING"
	if diff := cmp.Diff([]slots.Slot{staging}, slots.ListedBy(moving)); diff != "" {
		t.Errorf("ListedBy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]slots.Slot{slot}, slots.HeldBy(moving)); diff != "" {
		t.Errorf("HeldBy (-want +got):\n%s", diff)
	}
}

func TestClaimantsOfFindsEveryEnvironment(t *testing.T) {
	cache := newCache()
	staging := binding("staging", 1, 10, "")
	staging.Spec.Environment = "STAGING"
	other := binding("other", 1, 11, "")
	other.Spec.APIs[0].Name = "invoices"
	for _, b := range []*signetv1alpha1.SignatureBinding{binding("release", 1, 9, ""), staging, other} {
		cache.Update(b)
	}
	got := map[string]bool{}
	for _, name := range cache.ClaimantsOf(orders) {
		got[name] = true
	}
	if diff := cmp.Diff(map[string]bool{"release": true, "staging": true}, got); diff != "" {
		t.Errorf("ClaimantsOf (-want +got):\n%s", diff)
	}
}
