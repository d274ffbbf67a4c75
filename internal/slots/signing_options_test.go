// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

func TestSignsAlike(t *testing.T) {
	type change func(holder, claimant *signetv1alpha1.SignatureBinding)
	cases := map[string]struct {
		change change
		want   bool
	}{
		"the same key, only defaults": {func(_, _ *signetv1alpha1.SignatureBinding) {}, true},
		"another key":                 {func(_, c *signetv1alpha1.SignatureBinding) { c.Spec.KeyRef.Name = "other" }, false},
		"the holder is moving to another key": {
			func(h, _ *signetv1alpha1.SignatureBinding) { h.Spec.KeyRef.Name = "other" }, true,
		},
		"the holder has moved to another key": {
			func(h, _ *signetv1alpha1.SignatureBinding) { h.Status.KeyName = "other" }, false,
		},
		"the defaults spelled out": {func(_, c *signetv1alpha1.SignatureBinding) {
			c.Spec.Payload, c.Spec.SignatureHeader = signetv1alpha1.PayloadUnsigned, "authorization"
		}, true},
		"another payload": {func(_, c *signetv1alpha1.SignatureBinding) { c.Spec.Payload = signetv1alpha1.PayloadSigned }, false},
		"another header":  {func(_, c *signetv1alpha1.SignatureBinding) { c.Spec.SignatureHeader = "X-Signature" }, false},
		"another host":    {func(h, _ *signetv1alpha1.SignatureBinding) { h.Spec.BackendHost = "orders.internal" }, false},
		"the host in another case": {func(h, c *signetv1alpha1.SignatureBinding) {
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
				t.Errorf("SignsAlike = %v, want %v", got, tc.want)
			}
		})
	}
}

// renamed is a second binding that signs like the first one.
func renamed(version int, state signetv1alpha1.APIState) *signetv1alpha1.SignatureBinding {
	b := binding("renamed", 2, version, state)
	b.Spec.KeyRef.Name = "old"
	return b
}

// Two claimants that sign alike are never Conflicted, not even at first: one gets the
// slot, and the other is on Standby.
func TestClaimantThatSignsAlikeIsOnStandby(t *testing.T) {
	cache := newCache()
	cache.Update(binding("old", 1, 10, ""))
	cache.Update(renamed(11, ""))
	expect(t, cache, "renamed", slots.Evaluation{Holder: "old", Standby: true})
	expect(t, cache, "old", slots.Evaluation{Holder: "old"})
	acknowledge(cache, renamed(12, signetv1alpha1.APIStandby))
	expect(t, cache, "old", slots.Evaluation{Holder: "old"})
	bound := binding("old", 1, 13, signetv1alpha1.APIBound)
	acknowledge(cache, bound)
	recorded := &bound.Status.APIs[0]
	expect(t, cache, "renamed", slots.Evaluation{Holder: "old", Standby: true, HolderStatus: recorded, RecordedHolder: "old", RecordedHolderAlike: true})

	dropped := binding("old", 1, 14, signetv1alpha1.APIBound)
	dropped.Spec.APIs = nil
	cache.Update(dropped)
	expect(t, cache, "renamed", slots.Evaluation{Holder: "renamed", RecordedHolder: "old", RecordedHolderAlike: true, Blocked: true})
}

// If the next in line signs differently, the claimant is not on Standby: deleting the
// holder would change the API's key.
func TestNextInLineThatSignsDifferentlyPreventsStandby(t *testing.T) {
	cache := newCache()
	acknowledge(cache, binding("old", 1, 10, signetv1alpha1.APIBound))
	next := binding("next", 1, 11, signetv1alpha1.APIConflicted)
	acknowledge(cache, next)
	acknowledge(cache, renamed(12, ""))
	expect(t, cache, "renamed", slots.Evaluation{Holder: "old", NextInLine: "next", RecordedHolder: "old", RecordedHolderAlike: true})

	// A claimant further back in line does not matter, nor one that signs alike.
	cache.Delete(next)
	acknowledge(cache, binding("zz-later", 3, 13, signetv1alpha1.APIConflicted))
	alike := renamed(14, signetv1alpha1.APIStandby)
	alike.Name, alike.UID, alike.CreationTimestamp = "alike", "alike", metav1.NewTime(at(1))
	acknowledge(cache, alike)
	cache.Confirm(renamed(15, signetv1alpha1.APIStandby))
	evaluation := cache.Evaluate(cache.Binding("renamed"))[0]
	if !evaluation.Standby || evaluation.NextInLine != "" {
		t.Errorf("evaluation %+v, want Standby", evaluation)
	}
}

func TestIneligibleBindingIsNotOnStandby(t *testing.T) {
	cache := newCache()
	acknowledge(cache, binding("old", 1, 10, signetv1alpha1.APIBound))
	cache.Update(renamed(11, ""))
	key := gen.SignatureKey("old", gen.InNamespace("shop"), gen.DeletedAt(at(1)))
	if woken := cache.ObserveKey("old", key).Bindings; !slices.Contains(woken, "renamed") {
		t.Errorf("the deletion of the key wakes %v, want renamed among them", woken)
	}
	evaluation := cache.Evaluate(cache.Binding("renamed"))[0]
	if evaluation.Eligible || evaluation.Standby || evaluation.Holder != "old" {
		t.Errorf("evaluation %+v, want neither Eligible nor Standby", evaluation)
	}
}
