// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

var (
	orders = signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders")
	slot   = slots.Slot{Namespace: "shop", Environment: "RELEASE", Kind: orders.Kind, Name: orders.Name}
)

// binding lists the API orders in RELEASE and names a key of its own name.
func binding(name string, created, version int, state signetv1alpha1.APIState) *signetv1alpha1.SignatureBinding {
	b := gen.SignatureBinding(name, name, gen.InNamespace("shop"), gen.WithAPIs(orders.Name),
		gen.WithUID(types.UID(name)), gen.CreatedAt(at(created)))
	b.ResourceVersion = strconv.Itoa(version)
	if state != "" {
		b.Status.Environment = "RELEASE"
		apiStatus := signetv1alpha1.APIStatus{Group: orders.Kind.Group(), Kind: orders.Kind, Name: orders.Name, State: state}
		if state == signetv1alpha1.APIBound {
			apiStatus.BoundAt = &metav1.Time{Time: at(created)}
			b.Status.KeyName = b.Spec.KeyRef.Name
		}
		b.Status.APIs = []signetv1alpha1.APIStatus{apiStatus}
	}
	return b
}

// expect compares the position of a binding that claims the slot.
func expect(t *testing.T, cache *slots.NamespaceCache, name string, want slots.Evaluation) {
	t.Helper()
	want.Eligible = true
	got := cache.Evaluate(cache.Binding(name))
	if diff := cmp.Diff([]slots.Evaluation{want}, got); diff != "" {
		t.Errorf("evaluation of %s (-want +got):\n%s", name, diff)
	}
}

// newCache returns the cache of a leader whose list has shown the bindings.
func newCache(listed ...*signetv1alpha1.SignatureBinding) *slots.NamespaceCache {
	cache := slots.NewNamespaceCache("shop")
	cache.BeginList()
	for _, binding := range listed {
		cache.Prime(binding)
	}
	cache.MarkPrimed("")
	return cache
}

// acknowledge adds a binding as the response to a write of its status.
func acknowledge(cache *slots.NamespaceCache, binding *signetv1alpha1.SignatureBinding) {
	if cache.Binding(binding.Name) == nil {
		cache.Update(binding)
	}
	cache.Confirm(binding)
}

// A claimant that was created in this term blocks nothing: no earlier leader can have a
// write on its way to it.
func TestNewClaimantBlocksNothing(t *testing.T) {
	cache := newCache()
	cache.Update(binding("old", 1, 10, ""))
	expect(t, cache, "old", slots.Evaluation{Holder: "old"})
	cache.Update(binding("young", 2, 11, ""))
	expect(t, cache, "old", slots.Evaluation{Holder: "old"})
	expect(t, cache, "young", slots.Evaluation{Holder: "old"})
}

// An earlier leader may still have a write in flight that grants a slot, on any
// version that the list of the new leader shows. A recorded loss is no fence.
func TestBindingIsFencedByAChangeInThisTerm(t *testing.T) {
	lost := func(version int) *signetv1alpha1.SignatureBinding {
		return binding("young", 2, version, signetv1alpha1.APIConflicted)
	}
	open := slots.Evaluation{Holder: "old", Blocked: true}
	fenced := slots.Evaluation{Holder: "old"}
	for name, test := range map[string]struct {
		change func(*slots.NamespaceCache)
		want   slots.Evaluation
	}{
		"as listed":                  {func(*slots.NamespaceCache) {}, open},
		"the same version again":     {func(c *slots.NamespaceCache) { c.Update(lost(12)) }, open},
		"an older version":           {func(c *slots.NamespaceCache) { c.Update(lost(11)) }, open},
		"changed by another client":  {func(c *slots.NamespaceCache) { c.Update(lost(13)) }, fenced},
		"written by this leader":     {func(c *slots.NamespaceCache) { c.Confirm(lost(13)) }, fenced},
		"created again in this term": {func(c *slots.NamespaceCache) { again := lost(20); again.UID = "again"; c.Update(again) }, fenced},
	} {
		t.Run(name, func(t *testing.T) {
			cache := newCache(binding("old", 1, 10, ""), lost(12))
			acknowledge(cache, binding("old", 1, 11, ""))
			test.change(cache)
			expect(t, cache, "old", test.want)
			expect(t, cache, "young", slots.Evaluation{Holder: "old", Blocks: test.want.Blocked})
			if blockers := cache.Blockers("old"); (len(blockers) > 0) != test.want.Blocked {
				t.Errorf("Blockers = %v", blockers)
			}
		})
	}
	t.Run("changed while the list was read", func(t *testing.T) {
		cache := slots.NewNamespaceCache("shop")
		cache.Update(lost(13))
		cache.Prime(lost(12))
		cache.Prime(binding("old", 1, 10, ""))
		cache.MarkPrimed("")
		acknowledge(cache, binding("old", 1, 11, ""))
		expect(t, cache, "old", fenced)
	})
	t.Run("created after the list", func(t *testing.T) {
		cache := slots.NewNamespaceCache("shop")
		cache.Update(lost(13))
		cache.Prime(binding("old", 1, 10, ""))
		cache.MarkPrimed("")
		acknowledge(cache, binding("old", 1, 11, ""))
		expect(t, cache, "old", fenced)
	})
}

// A write whose outcome is unknown may have taken effect, or take effect at any time,
// until a newer version of the binding is seen. What it adds counts, what it takes
// away does not.
func TestAssumedStatus(t *testing.T) {
	grant := func(cache *slots.NamespaceCache, version int) {
		cache.Assume(binding("young", 2, version, signetv1alpha1.APIBound))
	}
	t.Run("a grant counts from the decision on", func(t *testing.T) {
		cache := newCache()
		cache.Update(binding("young", 2, 10, ""))
		grant(cache, 10)
		cache.Update(binding("old", 1, 11, ""))
		expect(t, cache, "old", slots.Evaluation{Holder: "young", RecordedHolder: "young"})
		expect(t, cache, "young", slots.Evaluation{Holder: "young"})
		if cache.IsSettled("young") {
			t.Error("the write counts as settled")
		}
	})
	t.Run("a repeated write takes no more memory", func(t *testing.T) {
		cache := newCache()
		cache.Update(binding("young", 2, 10, ""))
		grant(cache, 10)
		for range 10 {
			grant(cache, 10)
		}
		if got := slots.Assumed(cache, "young"); got != 1 {
			t.Errorf("%d statuses are assumed, want 1", got)
		}
	})
	t.Run("a newer version resolves it", func(t *testing.T) {
		cache := newCache()
		cache.Update(binding("young", 2, 10, ""))
		grant(cache, 10)
		cache.Update(binding("young", 2, 10, "")) // the watch repeats what is known
		if cache.IsSettled("young") {
			t.Error("the same version has resolved the write")
		}
		cache.Update(binding("young", 2, 12, signetv1alpha1.APIConflicted))
		cache.Update(binding("old", 1, 11, ""))
		expect(t, cache, "old", slots.Evaluation{Holder: "old"})
		if !cache.IsSettled("young") {
			t.Error("the newer version has not resolved the write")
		}
	})
	t.Run("a grant on an outdated version cannot take effect", func(t *testing.T) {
		cache := newCache()
		cache.Update(binding("young", 2, 12, ""))
		grant(cache, 10)
		if !cache.IsSettled("young") {
			t.Error("the write counts")
		}
	})
	t.Run("a grant of an API that the spec has dropped since", func(t *testing.T) {
		cache := newCache()
		cache.Update(binding("old", 1, 9, ""))
		dropped := binding("young", 2, 10, "")
		dropped.Spec.APIs = nil
		cache.Update(dropped)
		grant(cache, 10)
		expect(t, cache, "old", slots.Evaluation{Holder: "old", RecordedHolder: "young", Blocked: true})
	})
}

// A key is used by what its bindings' statuses record, and by writes whose outcome is
// unknown, whatever the age of the binding.
func TestUseOfAKey(t *testing.T) {
	key, young := gen.SignatureKey("young", gen.InNamespace("shop")), []string{"young"}
	for name, test := range map[string]struct {
		cache func() *slots.NamespaceCache
		want  slots.KeyUse
	}{
		"no binding": {func() *slots.NamespaceCache { return newCache() }, slots.KeyUse{}},
		"a binding that holds nothing": {func() *slots.NamespaceCache {
			cache := newCache()
			cache.Update(binding("young", 2, 10, ""))
			return cache
		}, slots.KeyUse{Users: young}},
		"an acknowledged grant": {func() *slots.NamespaceCache {
			cache := newCache()
			cache.Update(binding("young", 2, 10, signetv1alpha1.APIBound))
			return cache
		}, slots.KeyUse{Users: young, Recorded: true, Granted: true}},
		"a grant of unknown outcome": {func() *slots.NamespaceCache {
			cache := newCache()
			cache.Update(binding("young", 2, 10, ""))
			cache.Assume(binding("young", 2, 10, signetv1alpha1.APIBound))
			return cache
		}, slots.KeyUse{Users: young, Unsettled: young, MayHold: true}},
		"a binding that an earlier leader may still grant it": {func() *slots.NamespaceCache {
			return newCache(binding("young", 2, 10, ""))
		}, slots.KeyUse{Users: young, Unsettled: young}},
		"a binding that has gone": {func() *slots.NamespaceCache {
			cache := newCache(binding("young", 2, 10, ""))
			cache.Delete(binding("young", 2, 11, ""))
			return cache
		}, slots.KeyUse{}},
		"a binding of another key": {func() *slots.NamespaceCache { return newCache(binding("old", 2, 10, "")) }, slots.KeyUse{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.cache().Use(key), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("use (-want +got):\n%s", diff)
			}
		})
	}
}

// A release counts from the acknowledgment on.
func TestAssumedRelease(t *testing.T) {
	cache := newCache()
	acknowledge(cache, binding("young", 2, 10, signetv1alpha1.APIBound))
	cache.Assume(binding("young", 2, 10, signetv1alpha1.APIConflicted))
	cache.Update(binding("old", 1, 11, ""))
	expect(t, cache, "old", slots.Evaluation{Holder: "young", RecordedHolder: "young"})
	acknowledge(cache, binding("young", 2, 12, signetv1alpha1.APIConflicted))
	expect(t, cache, "old", slots.Evaluation{Holder: "old"})
}

func TestHolderKeepsTheSlot(t *testing.T) {
	cache := newCache()
	acknowledge(cache, binding("young", 2, 12, signetv1alpha1.APIBound))
	cache.Update(binding("old", 1, 13, ""))
	expect(t, cache, "young", slots.Evaluation{Holder: "young", HeldSince: at(2)})
	expect(t, cache, "old", slots.Evaluation{Holder: "young", RecordedHolder: "young"})
}

// The watch lags: its event is older than the response to the leader's own write.
func TestOlderVersionIsIgnored(t *testing.T) {
	cache := newCache()
	cache.Update(binding("young", 2, 11, ""))
	acknowledge(cache, binding("young", 2, 12, signetv1alpha1.APIBound))
	cache.Update(binding("young", 2, 11, ""))
	expect(t, cache, "young", slots.Evaluation{Holder: "young", HeldSince: at(2)})
}

func TestHolderThatDropsTheAPIBlocksUntilItIsWritten(t *testing.T) {
	cache := newCache()
	acknowledge(cache, binding("old", 1, 10, signetv1alpha1.APIBound))
	acknowledge(cache, binding("young", 2, 11, signetv1alpha1.APIConflicted))
	dropped := binding("old", 1, 12, signetv1alpha1.APIBound)
	dropped.Spec.APIs = nil
	cache.Update(dropped)
	expect(t, cache, "young", slots.Evaluation{Holder: "young", RecordedHolder: "old", Blocked: true})
	released := binding("old", 1, 13, "")
	released.Spec.APIs = nil
	acknowledge(cache, released)
	expect(t, cache, "young", slots.Evaluation{Holder: "young"})
}

func TestDeletedHolderFreesTheSlot(t *testing.T) {
	cache := newCache()
	old := binding("old", 1, 10, signetv1alpha1.APIBound)
	acknowledge(cache, old)
	acknowledge(cache, binding("young", 2, 11, signetv1alpha1.APIConflicted))
	deleted := binding("old", 1, 12, signetv1alpha1.APIBound)
	deleted.DeletionTimestamp = &metav1.Time{Time: at(9)}
	cache.Update(deleted)
	expect(t, cache, "young", slots.Evaluation{Holder: "young", RecordedHolder: "old", Blocked: true})
	if woken := cache.Delete(deleted).Bindings; !slices.Equal(woken, []string{"young"}) {
		t.Errorf("Delete wakes %v, want young", woken)
	}
	expect(t, cache, "young", slots.Evaluation{Holder: "young"})
}

func TestDeleteKeepsTheSuccessor(t *testing.T) {
	cache := slots.NewNamespaceCache("shop")
	first := binding("orders", 1, 10, "")
	second := binding("orders", 2, 12, "")
	second.UID = "another"
	cache.Update(first)
	cache.Update(second)
	cache.Delete(first)
	if got := cache.Binding("orders"); got != second {
		t.Errorf("Binding = %v, want the successor", got)
	}
}

func TestPrimeKeepsTheObjectThatAWatchHasShown(t *testing.T) {
	cache := slots.NewNamespaceCache("shop")
	watched := binding("orders", 1, 10, "")
	cache.Update(watched)
	cache.Prime(binding("orders", 1, 10, ""))
	cache.Prime(binding("orders", 1, 9, ""))
	if cache.Binding("orders") != watched {
		t.Error("Prime replaced an object that the watch has shown")
	}
	newer := binding("orders", 1, 11, signetv1alpha1.APIBound)
	cache.Prime(newer)
	if cache.Binding("orders") != newer {
		t.Error("Prime ignored an object that is newer than the watch")
	}
	cached := binding("orders", 1, 11, signetv1alpha1.APIBound)
	cache.Update(cached)
	if cache.Binding("orders") != cached {
		t.Error("Update kept a second copy of the object")
	}
}

// A watch that lags behind the leader's own list shows bindings that were gone by then.
func TestListOvertakesAWatchThatLags(t *testing.T) {
	cache := slots.NewNamespaceCache("shop")
	gone := binding("gone", 1, 10, signetv1alpha1.APIBound)
	cache.Update(gone)
	cache.Prime(binding("young", 2, 19, signetv1alpha1.APIBound))
	cache.Update(binding("new", 3, 21, ""))
	cache.MarkPrimed("20")
	expect(t, cache, "young", slots.Evaluation{Holder: "young", HeldSince: at(2)})
	again := binding("gone", 1, 12, signetv1alpha1.APIBound)
	if cache.Update(again); cache.Binding("gone") != nil {
		t.Error("the watch has brought back a binding that the list has not shown")
	}
	again.ResourceVersion, again.UID = "22", "another"
	if cache.Update(again); cache.Binding("gone") != again {
		t.Error("a binding that was created after the list is not known")
	}
}

func TestDeletedBindingDoesNotComeBack(t *testing.T) {
	t.Run("by a late response", func(t *testing.T) {
		cache := newCache()
		first := binding("first", 1, 10, "")
		cache.Update(first)
		cache.Delete(first)
		cache.Confirm(binding("first", 1, 11, signetv1alpha1.APIBound))
		if cache.Binding("first") != nil {
			t.Error("Confirm added a deleted binding")
		}
		cache.Update(binding("second", 2, 12, ""))
		expect(t, cache, "second", slots.Evaluation{Holder: "second"})
	})
	t.Run("by a late page of a list", func(t *testing.T) {
		claims := slots.NewClaimCache()
		claims.BeginList()
		gone := binding("first", 1, 10, signetv1alpha1.APIBound)
		claims.Namespace("shop").Delete(gone)
		claims.Prime(gone)
		if claims.Namespace("shop").Binding("first") != nil {
			t.Error("Prime added a deleted binding")
		}
		claims.MarkPrimed("")
		again := binding("first", 1, 20, "")
		again.UID = "another"
		claims.Update(again)
		if claims.Namespace("shop").Binding("first") != again {
			t.Error("the successor is not known")
		}
	})
	t.Run("in place of its successor", func(t *testing.T) {
		cache := slots.NewNamespaceCache("shop")
		again := binding("first", 1, 20, "")
		again.UID = "another"
		cache.Update(again)
		cache.Confirm(binding("first", 1, 21, signetv1alpha1.APIBound))
		if cache.Binding("first") != again {
			t.Error("Confirm replaced the successor")
		}
	})
}

// A worker whose list of a namespace was slow adds it after another one's: what has
// changed since does not come back, and what is new stays.
func TestSecondListIsIgnored(t *testing.T) {
	deleted, created := binding("deleted", 1, 5, ""), binding("created", 2, 15, "")
	cache := slots.NewNamespaceCache("shop")
	cache.MarkPrimed("10")
	cache.Update(created)
	cache.Prime(deleted)
	cache.MarkPrimed("20")
	if cache.Binding("deleted") != nil || cache.Binding("created") == nil || !cache.IsFenced("created") {
		t.Errorf("the cache has %v", cache.Names())
	}
}
