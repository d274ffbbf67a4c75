// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// A change wakes the other claimants of a slot if its holder, the next in line, or the
// binding that is recorded as the holder is another one or signs in another way.
func TestChangeWakesOtherClaimants(t *testing.T) {
	edited := func(version int, state signetv1alpha1.APIState, how ...func(*signetv1alpha1.SignatureBinding)) *signetv1alpha1.SignatureBinding {
		b := binding("orders", 5, version, state)
		for _, change := range how {
			change(b)
		}
		return b
	}
	drop := func(b *signetv1alpha1.SignatureBinding) { b.Spec.APIs = nil }
	deleted := func(b *signetv1alpha1.SignatureBinding) { b.DeletionTimestamp = &metav1.Time{Time: at(9)} }
	moves := func(b *signetv1alpha1.SignatureBinding) { b.Spec.Environment = "STAGING" }
	rekeyed := func(b *signetv1alpha1.SignatureBinding) { b.Status.KeyName = "another" }
	signsBody := func(b *signetv1alpha1.SignatureBinding) { b.Spec.Payload = signetv1alpha1.PayloadSigned }
	none, bound, lost := signetv1alpha1.APIState(""), signetv1alpha1.APIBound, signetv1alpha1.APIConflicted
	older := []*signetv1alpha1.SignatureBinding{binding("first", 1, 2, ""), binding("second", 2, 3, "")}
	younger := []*signetv1alpha1.SignatureBinding{binding("third", 8, 2, ""), binding("fourth", 9, 3, "")}
	all := []string{"fourth", "third"}

	for name, c := range map[string]struct {
		others        []*signetv1alpha1.SignatureBinding
		before, after *signetv1alpha1.SignatureBinding
		want          []string
	}{
		"becomes the holder":                       {younger, nil, binding("orders", 5, 10, none), all},
		"joins the end of the line":                {older, nil, binding("orders", 5, 10, none), nil},
		"records its loss":                         {older, binding("orders", 5, 10, none), binding("orders", 5, 11, lost), nil},
		"leaves the end of the line":               {older, binding("orders", 5, 10, none), edited(11, none, drop), nil},
		"signs in another way at the end":          {older, binding("orders", 5, 10, lost), edited(11, lost, signsBody), nil},
		"moves to another environment":             {older, binding("orders", 5, 10, none), edited(11, none, moves), nil},
		"seen again, unchanged":                    {younger, binding("orders", 5, 10, bound), binding("orders", 5, 10, bound), nil},
		"is granted the slot":                      {younger, binding("orders", 5, 10, none), binding("orders", 5, 11, bound), all},
		"signs with another key":                   {younger, binding("orders", 5, 10, bound), edited(11, bound, rekeyed), all},
		"signs in another way":                     {younger, binding("orders", 5, 10, bound), edited(11, bound, signsBody), all},
		"would sign in another way":                {younger, binding("orders", 5, 10, none), edited(11, none, signsBody), all},
		"as the holder, drops its claim":           {younger, binding("orders", 5, 10, none), edited(11, none, drop), all},
		"drops a slot that it still holds":         {younger, binding("orders", 5, 10, bound), edited(11, bound, drop), all},
		"releases a slot that it dropped":          {younger, edited(11, bound, drop), edited(12, none, drop), all},
		"as the holder, is deleted":                {younger, binding("orders", 5, 10, none), edited(11, none, deleted), all},
		"adds a claim that makes it the holder":    {younger, edited(10, none, drop), binding("orders", 5, 11, none), all},
		"as the holder, moves to another one":      {younger, binding("orders", 5, 10, none), edited(11, none, moves), all},
		"older than the known version":             {younger, binding("orders", 5, 12, none), edited(11, none, drop), nil},
		"becomes the next in line, others waiting": {[]*signetv1alpha1.SignatureBinding{older[0], younger[0]}, nil, binding("orders", 5, 10, none), []string{"first", "third"}},
	} {
		t.Run(name, func(t *testing.T) {
			cache := newCache()
			for _, other := range c.others {
				cache.Update(other)
			}
			if c.before != nil {
				cache.Update(c.before)
			}
			got := cache.Update(c.after).Bindings
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("woken bindings (-want +got):\n%s", diff)
			}
		})
	}
}

// A grant that has been assumed wakes the others when it is acknowledged: what a binding
// on Standby reports depends on that.
func TestAcknowledgedGrantWakesOtherClaimants(t *testing.T) {
	cache := newCache()
	cache.Update(binding("first", 1, 10, ""))
	cache.Update(binding("second", 2, 11, ""))
	cache.Assume(binding("first", 1, 10, signetv1alpha1.APIBound))
	if got := cache.Confirm(binding("first", 1, 12, signetv1alpha1.APIBound)).Bindings; !slices.Equal(got, []string{"second"}) {
		t.Errorf("the acknowledgment wakes %v, want second", got)
	}
}

// The holder is woken when the last binding that keeps it from the slot is fenced.
func TestUnblockedHolderIsWoken(t *testing.T) {
	cache := newCache(binding("first", 1, 1, ""), binding("second", 2, 2, ""), binding("third", 3, 3, ""))
	for _, step := range []struct {
		binding string
		version int
		want    []string
	}{{"first", 4, nil}, {"second", 5, nil}, {"third", 6, []string{"first"}}} {
		changed := binding(step.binding, 1, step.version, "")
		if step.binding != "first" {
			changed = binding(step.binding, 3, step.version, signetv1alpha1.APIConflicted)
		}
		if got := cache.Confirm(changed).Bindings; !slices.Equal(got, step.want) {
			t.Errorf("the write of %s wakes %v, want %v", step.binding, got, step.want)
		}
	}
}

// A key is woken when a binding begins or ceases to name it, to sign with it, or to
// hold an API with it, and when a write of unknown outcome is resolved.
func TestChangeWakesKeys(t *testing.T) {
	none, bound := signetv1alpha1.APIState(""), signetv1alpha1.APIBound
	of := func(key string, version int, state signetv1alpha1.APIState) *signetv1alpha1.SignatureBinding {
		b := binding("orders", 1, version, state)
		b.Spec.KeyRef.Name = key
		if state == bound {
			b.Status.KeyName = key
		}
		return b
	}
	moving := of("a", 11, bound)
	moving.Spec.KeyRef.Name = "b"
	for name, c := range map[string]struct {
		before, after *signetv1alpha1.SignatureBinding
		want          []string
	}{
		"first seen":                {nil, of("a", 10, none), []string{"a"}},
		"granted":                   {of("a", 10, none), of("a", 11, bound), []string{"a"}},
		"unchanged":                 {of("a", 10, bound), of("a", 11, bound), nil},
		"names another key":         {of("a", 10, none), of("b", 11, none), []string{"a", "b"}},
		"is to move to another key": {of("a", 10, bound), moving, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			cache := newCache()
			if c.before != nil {
				cache.Update(c.before)
			}
			if got := cache.Update(c.after).Keys; !slices.Equal(got, c.want) {
				t.Errorf("woken keys = %v, want %v", got, c.want)
			}
		})
	}
	cache := newCache()
	cache.Update(of("a", 10, none))
	cache.Assume(of("a", 10, bound))
	if got := cache.Update(of("a", 11, none)).Keys; !slices.Equal(got, []string{"a"}) {
		t.Errorf("the resolution of a grant wakes %v, want the key", got)
	}
	if got := cache.Delete(of("a", 12, none)).Keys; !slices.Equal(got, []string{"a"}) {
		t.Errorf("the end of the binding wakes %v, want the key", got)
	}
}
