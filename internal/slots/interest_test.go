// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

func TestUpdateReturnsTheSlotsWhoseOtherClaimantsMustBeReconciled(t *testing.T) {
	edited := func(version int, state signetv1alpha1.APIState, how func(*signetv1alpha1.SignatureBinding)) *signetv1alpha1.SignatureBinding {
		b := binding("orders", 1, version, state)
		how(b)
		return b
	}
	drop := func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = nil }
	deleted := func(b *signetv1alpha1.SignatureBinding) { b.DeletionTimestamp = &metav1.Time{Time: at(9)} }
	moves := func(b *signetv1alpha1.SignatureBinding) { b.Spec.Environment = "STAGING" }
	rekeyed := func(b *signetv1alpha1.SignatureBinding) { b.Status.KeyName = "another" }
	signsBody := func(b *signetv1alpha1.SignatureBinding) { b.Spec.Payload = signetv1alpha1.PayloadSigned }
	none, bound, lost := signetv1alpha1.APIState(""), signetv1alpha1.APIBound, signetv1alpha1.APIConflicted
	staging := slot
	staging.Environment = "STAGING"

	cases := map[string]struct {
		before, after *signetv1alpha1.SignatureBinding
		want          []slots.Slot
	}{
		"first seen":                       {nil, binding("orders", 1, 10, none), []slots.Slot{slot}},
		"seen again, unchanged":            {binding("orders", 1, 10, bound), binding("orders", 1, 10, bound), nil},
		"granted the slot":                 {binding("orders", 1, 10, none), binding("orders", 1, 11, bound), []slots.Slot{slot}},
		"signs with another key":           {binding("orders", 1, 10, bound), edited(11, bound, rekeyed), []slots.Slot{slot}},
		"signs in another way":             {binding("orders", 1, 10, bound), edited(11, bound, signsBody), []slots.Slot{slot}},
		"would sign in another way":        {binding("orders", 1, 10, lost), edited(11, lost, signsBody), []slots.Slot{slot}},
		"loss recorded":                    {binding("orders", 1, 10, none), binding("orders", 1, 11, lost), nil},
		"drops a claim":                    {binding("orders", 1, 10, none), edited(11, none, drop), []slots.Slot{slot}},
		"drops a slot that it still holds": {binding("orders", 1, 10, bound), edited(11, bound, drop), []slots.Slot{slot}},
		"releases a slot that it dropped":  {edited(11, bound, drop), edited(12, none, drop), []slots.Slot{slot}},
		"deleted without holding the slot": {binding("orders", 1, 10, lost), edited(11, lost, deleted), []slots.Slot{slot}},
		"adds a claim":                     {edited(10, none, drop), binding("orders", 1, 11, none), []slots.Slot{slot}},
		"moves to another environment":     {binding("orders", 1, 10, none), edited(11, none, moves), []slots.Slot{slot, staging}},
		"older than the known version":     {binding("orders", 1, 12, none), edited(11, none, drop), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cache := newCache()
			if c.before != nil {
				cache.Update(c.before)
			}
			inOrder := cmpopts.SortSlices(func(a, b slots.Slot) bool { return a.Environment < b.Environment })
			if diff := cmp.Diff(c.want, cache.Update(c.after), inOrder, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("changed slots (-want +got):\n%s", diff)
			}
		})
	}
}
