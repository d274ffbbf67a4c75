// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	manySlots   = 100_000
	manyKeys    = 1_000
	apisBinding = manySlots / manyKeys
)

// fill creates a store with 100,000 slots of one namespace: 1,000 keys with a binding
// of 100 APIs each.
func fill(b *testing.B) (*snapshot.Store, []*signetv1alpha1.SignatureBinding) {
	b.Helper()
	store := snapshot.New()
	set := newSet(b, gen.SignatureKey("any", inNamespace))
	bindings := make([]*signetv1alpha1.SignatureBinding, 0, manyKeys)
	for k := range manyKeys {
		key := gen.SignatureKey(fmt.Sprintf("key-%d", k), inNamespace)
		apis := make([]string, 0, apisBinding)
		for a := range apisBinding {
			apis = append(apis, fmt.Sprintf("api-%d-%d", k, a))
		}
		binding := newHolder(key.Name, key.Name, apis...)
		bindings = append(bindings, binding)
		store.SetKey(key, now)
		store.SetSecret(gen.ManagedSecret(key, set.Encode()), now)
		store.SetBinding(binding, now)
	}
	store.Complete(now)
	if slots := store.Snapshot().Slots(); slots != manySlots {
		b.Fatalf("%d slots", slots)
	}
	return store, bindings
}

func BenchmarkBuild100000Slots(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		store, bindings := fill(b)
		begin := time.Now()
		runtime.GC()
		runtime.ReadMemStats(&after)
		collection := time.Since(begin)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/manySlots, "B/slot")
		b.ReportMetric(float64(collection.Milliseconds()), "gc-ms")
		runtime.KeepAlive(store)
		runtime.KeepAlive(bindings)
	}
}

func BenchmarkChangeAmong100000Slots(b *testing.B) {
	store, bindings := fill(b)
	b.Run("a Secret of 100 slots", func(b *testing.B) {
		key := gen.SignatureKey("key-7", inNamespace)
		sets := []*material.Set{newSet(b, key), newSet(b, key)}
		for i := 0; b.Loop(); i++ {
			store.SetSecret(gen.ManagedSecret(key, sets[i%2].Encode()), now)
		}
	})
	b.Run("a binding that releases and claims 100 slots", func(b *testing.B) {
		held, dropped := bindings[7], bindings[7].DeepCopy()
		for i := range dropped.Status.APIs {
			dropped.Status.APIs[i].BoundAt = nil
		}
		for i := 0; b.Loop(); i++ {
			store.SetBinding([]*signetv1alpha1.SignatureBinding{dropped, held}[i%2], now)
		}
	})
	b.Run("a binding of 1,000 APIs that is the same to the signer", func(b *testing.B) {
		apis := make([]string, 0, 1_000)
		for a := range cap(apis) {
			apis = append(apis, fmt.Sprintf("wide-%d", a))
		}
		binding := newHolder("wide", "key-7", apis...)
		for b.Loop() {
			store.SetBinding(binding, now)
		}
	})
	b.Run("one slot", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			store.SetBinding(newHolder("one", "key-7", []string{"first", "second"}[i%2]), now)
		}
	})
}

// BenchmarkLookup looks up all slots in random order, because the memory of a slot
// that was just looked up is in the processor's caches. The names are copies, as if
// read from a request.
func BenchmarkLookup(b *testing.B) {
	store, bindings := fill(b)
	slots := make([]slots.Slot, 0, manySlots)
	for _, binding := range bindings {
		for _, api := range binding.Spec.APIs {
			slots = append(slots, slot(strings.Clone(api.Name)))
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(slots), func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := store.Snapshot().Lookup(slots[i%manySlots], now); err != nil {
			b.Fatal(err)
		}
	}
}
