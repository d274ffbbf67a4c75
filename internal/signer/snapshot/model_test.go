// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// cluster is the objects as they are, and which Secret vanished when: all that
// a snapshot depends on.
type cluster struct {
	bindings map[string]*signetv1alpha1.SignatureBinding
	keys     map[string]*signetv1alpha1.SignatureKey
	secrets  map[string]*corev1.Secret
	vanished map[string]time.Time
	ghosts   map[string]*corev1.Secret
}

func newCluster() *cluster {
	return &cluster{
		bindings: map[string]*signetv1alpha1.SignatureBinding{}, keys: map[string]*signetv1alpha1.SignatureKey{},
		secrets: map[string]*corev1.Secret{}, vanished: map[string]time.Time{}, ghosts: map[string]*corev1.Secret{},
	}
}

// scratch builds a store from what there is, in an order of its own.
func (c *cluster) scratch() *snapshot.Store {
	store := snapshot.New()
	for _, secret := range c.secrets {
		store.SetSecret(secret, now)
	}
	for name, secret := range c.ghosts {
		store.SetSecret(secret, now)
		store.RemoveSecret(namespace, name, c.vanished[name])
	}
	for _, binding := range c.bindings {
		store.SetBinding(binding, now)
	}
	for _, key := range c.keys {
		store.SetKey(key, now)
	}
	store.Complete(now)
	return store
}

// letters are names, of which some begin with others.
var letters = []string{"a", "ab", "abc", "b"}

// step changes one object, in the cluster and in the store alike. The bits of
// the step say which, and how.
func (c *cluster) step(step byte, prepared map[string][]*corev1.Secret, store *snapshot.Store, at time.Time) {
	name, other, how := letters[step&3], letters[step>>2&3], step>>6
	switch step >> 4 & 3 {
	case 0:
		c.stepSecret(name, how, prepared[name], store, at)
	case 1:
		if how == 0 {
			delete(c.keys, name)
			store.RemoveKey(namespace, name, at)
			return
		}
		c.keys[name] = gen.SignatureKey(name, inNamespace)
		if how == 1 {
			c.keys[name].Spec.Target.Name = other
		}
		store.SetKey(c.keys[name], at)
	default:
		c.stepBinding(name, other, how, step>>4&1 == 1, store, at)
	}
}

func (c *cluster) stepSecret(name string, how byte, prepared []*corev1.Secret, store *snapshot.Store, at time.Time) {
	if how == 0 {
		if secret, there := c.secrets[name]; there {
			c.ghosts[name], c.vanished[name] = secret, at
		}
		delete(c.secrets, name)
		store.RemoveSecret(namespace, name, at)
		return
	}
	delete(c.ghosts, name)
	c.secrets[name] = prepared[how-1]
	store.SetSecret(c.secrets[name], at)
}

func (c *cluster) stepBinding(name, key string, how byte, wide bool, store *snapshot.Store, at time.Time) {
	if how == 0 {
		delete(c.bindings, name)
		store.RemoveBinding(namespace, name, at)
		return
	}
	apis := []string{key}
	if wide {
		apis = letters
	}
	binding := newHolder(name, key, apis...)
	if how == 2 {
		binding.Status.APIs[0].BoundAt = nil
	}
	if how == 3 {
		binding.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: name, Until: metav1.NewTime(at.Add(time.Minute))}}
	}
	c.bindings[name] = binding
	store.SetBinding(binding, at)
}

// prepare makes for each name Secrets with two materials, and a broken one.
func prepare(t testing.TB) map[string][]*corev1.Secret {
	prepared := map[string][]*corev1.Secret{}
	for _, name := range letters {
		key := gen.SignatureKey(name, inNamespace)
		prepared[name] = []*corev1.Secret{gen.ManagedSecret(key, newSet(t, key).Encode()), gen.ManagedSecret(key, newSet(t, key).Encode()), gen.ManagedSecret(key, newSet(t, key).Encode())}
		prepared[name][2].Data["secret"] = nil
	}
	return prepared
}

// FuzzStepByStepIsAsFromScratch: whatever happened in whatever order, the store
// says of every slot what one says that is built from what there is, and no
// snapshot on the way changes afterwards.
func FuzzStepByStepIsAsFromScratch(f *testing.F) {
	f.Add([]byte{0x40, 0x90, 0x60, 0x00, 0x40})
	f.Add([]byte{0x41, 0x95, 0x65, 0x66, 0x67, 0xb1, 0xf2, 0x21, 0x01, 0xc1, 0x81})
	prepared := prepare(f)
	f.Fuzz(func(t *testing.T, steps []byte) {
		steps = steps[:min(len(steps), 200)]
		cluster, store, at := newCluster(), snapshot.New(), now
		store.Complete(now)
		var history []moment
		for _, step := range steps {
			at = at.Add(time.Duration(step) * 50 * time.Millisecond)
			cluster.step(step, prepared, store, at)
			store.Expire(at)
			history = append(history, moment{store.Snapshot(), at, answers(store.Snapshot(), at)})
		}
		for i, then := range history {
			if got := answers(then.snapshot, then.at); got != then.answers {
				t.Fatalf("the snapshot after step %d has changed: %s, before %s", i, got, then.answers)
			}
		}
		scratch := cluster.scratch()
		for _, name := range letters {
			for _, later := range []time.Duration{0, snapshot.Grace, time.Minute} {
				sameAnswer(t, store, scratch, slot(name), at.Add(later))
			}
		}
		if store.Snapshot().Slots() != scratch.Snapshot().Slots() {
			t.Fatalf("%d slots, from scratch %d", store.Snapshot().Slots(), scratch.Snapshot().Slots())
		}
	})
}

// moment is a snapshot, and what it said when it was made.
type moment struct {
	snapshot *snapshot.Snapshot
	at       time.Time
	answers  string
}

// answers is all that a snapshot says.
func answers(snapshot *snapshot.Snapshot, at time.Time) string {
	said := fmt.Sprint(snapshot.Slots(), snapshot.Secrets())
	for _, name := range letters {
		grant, err := snapshot.Lookup(slot(name), at)
		if err != nil {
			said += fmt.Sprint("; ", err)
			continue
		}
		said += fmt.Sprint("; ", grant.Binding, grant.Key, accepted(grant, at))
	}
	return said
}

func sameAnswer(t *testing.T, store, scratch *snapshot.Store, slot slots.Slot, at time.Time) {
	t.Helper()
	got, gotErr := store.Snapshot().Lookup(slot, at)
	want, wantErr := scratch.Snapshot().Lookup(slot, at)
	if reasonOf(got, gotErr) != reasonOf(want, wantErr) {
		t.Fatalf("%s: %v, from scratch %v", slot, gotErr, wantErr)
	}
	if gotErr != nil {
		return
	}
	gotIDs, wantIDs := accepted(got, at), accepted(want, at)
	if got.Binding != want.Binding || got.Key != want.Key || len(gotIDs) != len(wantIDs) {
		t.Fatalf("%s: %s %s %v, from scratch %s %s %v", slot, got.Binding, got.Key, gotIDs, want.Binding, want.Key, wantIDs)
	}
	for i := range gotIDs {
		if gotIDs[i] != wantIDs[i] {
			t.Fatalf("%s accepts %v, from scratch %v", slot, gotIDs, wantIDs)
		}
	}
}
