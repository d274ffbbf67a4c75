// SPDX-License-Identifier: Apache-2.0

package slots_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// model is the namespace cache without memory of anything that can be derived: it
// looks at all bindings for each answer.
type model struct {
	bindings map[string]*signetv1alpha1.SignatureBinding
	fenced   map[string]bool
	deleted  map[string]*signetv1alpha1.SignatureKey
}

func (m *model) claims(binding *signetv1alpha1.SignatureBinding, at slots.Slot) bool {
	key := m.deleted[binding.Spec.KeyRef.Name]
	return slices.Contains(slots.ListedBy(binding), at) && binding.DeletionTimestamp.IsZero() &&
		(key == nil || !slots.CreatedAfterDeletion(binding, key))
}

func heldSince(binding *signetv1alpha1.SignatureBinding, at slots.Slot) metav1.Time {
	for i, held := range binding.Status.APIs {
		if slots.HeldBy(binding)[i] == at {
			return *held.BoundAt
		}
	}
	return metav1.Time{}
}

// evaluate is the definition of an evaluation, as far as names and flags go.
func (m *model) evaluate(name string, at slots.Slot) slots.Evaluation {
	evaluated, candidates := m.bindings[name], m.candidates(at)
	want := slots.Evaluation{Holder: slots.Holder(candidates), Eligible: m.claims(evaluated, at), HeldSince: heldSince(evaluated, at).Time}
	recorded, unfenced := m.others(name, at)
	if recorded != nil {
		want.RecordedHolder = recorded.Name
	}
	want.Blocked = want.Holder == name && (unfenced || recorded != nil)
	if holder := m.bindings[want.Holder]; holder != nil && want.Holder != name {
		since := heldSince(holder, at)
		want.Blocks = !m.fenced[name] && evaluated.DeletionTimestamp.IsZero() && since.IsZero()
	}
	if !want.Eligible {
		return want
	}
	want.RecordedHolderAlike = recorded != nil && slots.SignsAlike(recorded, evaluated)
	want.Standby, want.NextInLine = slots.IsStandby(candidates, name, func(other string) bool {
		return slots.SignsAlike(m.bindings[other], evaluated)
	})
	return want
}

func (m *model) candidates(at slots.Slot) []slots.Candidate {
	var candidates []slots.Candidate
	for _, b := range m.bindings {
		if m.claims(b, at) {
			candidates = append(candidates, slots.Candidate{Name: b.Name, Created: b.CreationTimestamp.Time, BoundAt: heldSince(b, at).Time})
		}
	}
	return candidates
}

// others returns the other binding that holds the slot, and whether a late write may
// grant it to another one.
func (m *model) others(name string, at slots.Slot) (recorded *signetv1alpha1.SignatureBinding, unfenced bool) {
	for _, b := range m.bindings {
		if b.Name == name {
			continue
		}
		held := slices.Contains(slots.HeldBy(b), at)
		if held {
			recorded = b
		}
		unfenced = unfenced || (!m.fenced[b.Name] && b.DeletionTimestamp.IsZero() && (held || slices.Contains(slots.ListedBy(b), at)))
	}
	return recorded, unfenced
}

// history makes random changes to a cache and to the model.
type history struct {
	*rand.Rand
	cache   *slots.NamespaceCache
	model   *model
	version int
	// acted is what each binding acted upon when it was last woken or changed.
	acted map[string][]slots.Evaluation
}

// expectWoken checks that a step has woken each other binding for which it has changed
// what that acts upon.
func (h *history) expectWoken(t *testing.T, changed string, woken []string) {
	t.Helper()
	for name, b := range h.model.bindings {
		acts := slices.Clone(h.cache.Evaluate(b))
		for i := range acts {
			acts[i].Blocks = false // that it blocks the holder is found by the holder
			if acts[i].HolderStatus != nil {
				acts[i].HolderStatus = &signetv1alpha1.APIStatus{}
			}
		}
		if name != changed && !slices.Contains(woken, name) {
			if diff := cmp.Diff(h.acted[name], acts); diff != "" {
				t.Fatalf("the change of %q has not woken %s (-before +after):\n%s", changed, name, diff)
			}
		}
		h.acted[name] = acts
	}
}

func (h *history) binding(name string) *signetv1alpha1.SignatureBinding {
	h.version++
	b := gen.SignatureBinding(name, []string{"k1", "k2"}[h.IntN(2)], gen.InNamespace("shop"), gen.WithUID(types.UID(name)),
		gen.ReplacingAPIs(gen.WithAPIs()), gen.CreatedAt(at(h.IntN(6))))
	if known := h.model.bindings[name]; known != nil {
		b.CreationTimestamp = known.CreationTimestamp
	}
	b.ResourceVersion = fmt.Sprint(h.version)
	b.Status.Environment = b.Spec.Environment
	for _, api := range []string{"a", "b", "c"} {
		reference := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, api)
		if h.IntN(3) > 0 {
			b.Spec.APIs = append(b.Spec.APIs, reference)
		}
		if h.IntN(4) == 0 && !h.isHeld(name, api) {
			b.Status.KeyName = b.Spec.KeyRef.Name
			b.Status.APIs = append(b.Status.APIs, signetv1alpha1.APIStatus{
				Group: reference.Kind.Group(), Kind: reference.Kind, Name: api, BoundAt: &metav1.Time{Time: at(h.IntN(9) + 1)},
			})
		}
	}
	if h.IntN(8) == 0 {
		b.DeletionTimestamp = &metav1.Time{Time: at(7)}
	}
	return b
}

// isHeld keeps the histories to one recorded holder for each API: which of several an
// evaluation names is not defined.
func (h *history) isHeld(except, api string) bool {
	for name, b := range h.model.bindings {
		if name != except && slices.ContainsFunc(b.Status.APIs, func(held signetv1alpha1.APIStatus) bool { return held.Name == api }) {
			return true
		}
	}
	return false
}

// step makes one change, and returns the binding that it is about and those that it
// wakes.
func (h *history) step() (changed string, woken []string) {
	name := []string{"b1", "b2", "b3", "b4", "b5"}[h.IntN(5)]
	switch h.IntN(10) {
	case 0:
		if known := h.model.bindings[name]; known != nil {
			woken = h.cache.Delete(known).Bindings
			delete(h.model.bindings, name)
			delete(h.model.fenced, name)
		}
	case 1:
		key := gen.SignatureKey("k1", gen.InNamespace("shop"), gen.DeletedAt(at(3)))
		woken = h.cache.ObserveKey("k1", key).Bindings
		h.model.deleted["k1"] = key
	case 2:
		woken = h.cache.ObserveKey("k1", nil).Bindings
		delete(h.model.deleted, "k1")
	default:
		b := h.binding(name)
		if known := h.model.bindings[name]; known != nil && h.IntN(2) == 0 { // the leader's own write
			written := known.DeepCopy()
			written.Status = b.Status
			h.cache.Assume(written)
		}
		woken = h.cache.Update(b).Bindings
		h.model.bindings[name], h.model.fenced[name] = b, true
	}
	return name, woken
}

// What the cache derives with each change is what looking at everything would find, and
// the change wakes all for which that is another answer.
func TestCacheAgreesWithItsModel(t *testing.T) {
	for seed := range uint64(200) {
		h := &history{
			Rand:  rand.New(rand.NewPCG(seed, 0)),
			cache: slots.NewNamespaceCache("shop"), version: 10,
			model: &model{bindings: map[string]*signetv1alpha1.SignatureBinding{}, fenced: map[string]bool{}, deleted: map[string]*signetv1alpha1.SignatureKey{}},
			acted: map[string][]slots.Evaluation{},
		}
		for _, name := range []string{"b1", "b2", "b3"} {
			b := h.binding(name)
			h.cache.Prime(b)
			h.model.bindings[name] = b
		}
		h.cache.MarkPrimed("")
		h.expectWoken(t, "", []string{"b1", "b2", "b3"})
		for step := range 40 {
			changed, woken := h.step()
			h.expectWoken(t, changed, woken)
			for name, b := range h.model.bindings {
				got := h.cache.Evaluate(b)
				for i, at := range slots.ListedBy(b) {
					got[i].HolderStatus = nil
					if diff := cmp.Diff(h.model.evaluate(name, at), got[i]); diff != "" {
						t.Fatalf("seed %d, step %d, %s at %s (-model +cache):\n%s", seed, step, name, at, diff)
					}
				}
			}
		}
	}
}
