package slots_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

func TestObservationTellsWhichClaimantsHaveToLookAgain(t *testing.T) {
	edited := func(version int, state signetv1alpha1.APIState, how func(*signetv1alpha1.SignatureBinding)) *signetv1alpha1.SignatureBinding {
		b := binding("orders", 1, version, state)
		how(b)
		return b
	}
	drop := func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = nil }
	goes := func(b *signetv1alpha1.SignatureBinding) { b.DeletionTimestamp = &metav1.Time{Time: at(9)} }
	moves := func(b *signetv1alpha1.SignatureBinding) { b.Spec.Environment = "STAGING" }
	rekeyed := func(b *signetv1alpha1.SignatureBinding) { b.Status.KeyName = "another" }
	signsBody := func(b *signetv1alpha1.SignatureBinding) { b.Spec.Payload = signetv1alpha1.PayloadSigned }
	none, bound, lost := signetv1alpha1.APIState(""), signetv1alpha1.APIBound, signetv1alpha1.APIConflicted
	elsewhere := slots.Slot{Environment: "STAGING", API: orders}

	cases := map[string]struct {
		before, after *signetv1alpha1.SignatureBinding
		want          []slots.Slot
	}{
		"it claims from the beginning":        {nil, binding("orders", 1, 10, none), []slots.Slot{slot}},
		"it is seen again":                    {binding("orders", 1, 10, bound), binding("orders", 1, 10, bound), nil},
		"it has been granted the slot":        {binding("orders", 1, 10, none), binding("orders", 1, 11, bound), []slots.Slot{slot}},
		"it signs with another key":           {binding("orders", 1, 10, bound), edited(11, bound, rekeyed), []slots.Slot{slot}},
		"it signs in another way":             {binding("orders", 1, 10, bound), edited(11, bound, signsBody), []slots.Slot{slot}},
		"it would sign in another way":        {binding("orders", 1, 10, lost), edited(11, lost, signsBody), []slots.Slot{slot}},
		"it has been told that it lost":       {binding("orders", 1, 10, none), binding("orders", 1, 11, lost), nil},
		"it drops a claim":                    {binding("orders", 1, 10, none), edited(11, none, drop), []slots.Slot{slot}},
		"it drops what it still holds":        {binding("orders", 1, 10, bound), edited(11, bound, drop), []slots.Slot{slot}},
		"it has released what it had dropped": {edited(11, bound, drop), edited(12, none, drop), []slots.Slot{slot}},
		"it goes and does not hold":           {binding("orders", 1, 10, lost), edited(11, lost, goes), []slots.Slot{slot}},
		"it adds a claim":                     {edited(10, none, drop), binding("orders", 1, 11, none), []slots.Slot{slot}},
		"it moves to another environment":     {binding("orders", 1, 10, none), edited(11, none, moves), []slots.Slot{slot, elsewhere}},
		"it is old news":                      {binding("orders", 1, 12, none), edited(11, none, drop), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ledger := slots.NewNamespaceCache()
			if c.before != nil {
				ledger.Update(c.before)
			}
			inOrder := cmpopts.SortSlices(func(a, b slots.Slot) bool { return a.Environment < b.Environment })
			if diff := cmp.Diff(c.want, ledger.Update(c.after), inOrder, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("slots to look at again (-want +got):\n%s", diff)
			}
		})
	}
}
