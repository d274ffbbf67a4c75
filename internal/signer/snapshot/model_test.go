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

// model has everything that a snapshot depends on: the objects, and when which
// Secret vanished.
type model struct {
	bindings        map[string]*signetv1alpha1.SignatureBinding
	keys            map[string]*signetv1alpha1.SignatureKey
	secrets         map[string]*corev1.Secret
	vanished        map[string]time.Time
	vanishedSecrets map[string]*corev1.Secret
}

func newModel() *model {
	return &model{
		bindings: map[string]*signetv1alpha1.SignatureBinding{}, keys: map[string]*signetv1alpha1.SignatureKey{},
		secrets: map[string]*corev1.Secret{}, vanished: map[string]time.Time{}, vanishedSecrets: map[string]*corev1.Secret{},
	}
}

// rebuild creates a store from the current objects, in another order.
func (m *model) rebuild() *snapshot.Store {
	store := snapshot.New()
	for _, secret := range m.secrets {
		store.SetSecret(secret, now)
	}
	for name, secret := range m.vanishedSecrets {
		store.SetSecret(secret, now)
		store.RemoveSecret(namespace, name, m.vanished[name])
	}
	for _, binding := range m.bindings {
		store.SetBinding(binding, now)
	}
	for _, key := range m.keys {
		store.SetKey(key, now)
	}
	store.Complete(now)
	return store
}

// letters are names, some of which are prefixes of others.
var letters = []string{"a", "ab", "abc", "b"}

// step changes one object in the model and in the store. The bits of the step
// determine which object, and how.
func (m *model) step(step byte, prepared map[string][]*corev1.Secret, store *snapshot.Store, at time.Time) {
	name, other, variant := letters[step&3], letters[step>>2&3], step>>6
	switch step >> 4 & 3 {
	case 0:
		m.stepSecret(name, variant, prepared[name], store, at)
	case 1:
		if variant == 0 {
			delete(m.keys, name)
			store.RemoveKey(namespace, name, at)
			return
		}
		m.keys[name] = gen.SignatureKey(name, inNamespace)
		if variant == 1 {
			m.keys[name].Spec.Target.Name = other
		}
		store.SetKey(m.keys[name], at)
	default:
		m.stepBinding(name, other, variant, step>>4&1 == 1, store, at)
	}
}

func (m *model) stepSecret(name string, variant byte, prepared []*corev1.Secret, store *snapshot.Store, at time.Time) {
	if variant == 0 {
		if secret, exists := m.secrets[name]; exists {
			m.vanishedSecrets[name], m.vanished[name] = secret, at
		}
		delete(m.secrets, name)
		store.RemoveSecret(namespace, name, at)
		return
	}
	delete(m.vanishedSecrets, name)
	m.secrets[name] = prepared[variant-1]
	store.SetSecret(m.secrets[name], at)
}

func (m *model) stepBinding(name, key string, variant byte, wide bool, store *snapshot.Store, at time.Time) {
	if variant == 0 {
		delete(m.bindings, name)
		store.RemoveBinding(namespace, name, at)
		return
	}
	apis := []string{key}
	if wide {
		apis = letters
	}
	binding := newHolder(name, key, apis...)
	if variant == 2 {
		binding.Status.APIs[0].BoundAt = nil
	}
	if variant == 3 {
		binding.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: name, Until: metav1.NewTime(at.Add(time.Minute))}}
	}
	m.bindings[name] = binding
	store.SetBinding(binding, at)
}

// prepare returns for each name two Secrets with different material, and an invalid
// one.
func prepare(t testing.TB) map[string][]*corev1.Secret {
	prepared := map[string][]*corev1.Secret{}
	for _, name := range letters {
		key := gen.SignatureKey(name, inNamespace)
		prepared[name] = []*corev1.Secret{gen.ManagedSecret(key, newSet(t, key).Encode()), gen.ManagedSecret(key, newSet(t, key).Encode()), gen.ManagedSecret(key, newSet(t, key).Encode())}
		prepared[name][2].Data["secret"] = nil
	}
	return prepared
}

// FuzzStoreMatchesModel checks that after any sequence of changes, the store returns
// for every slot the same as one that is rebuilt from the current objects, and that
// no earlier snapshot has changed.
func FuzzStoreMatchesModel(f *testing.F) {
	f.Add([]byte{0x40, 0x90, 0x60, 0x00, 0x40})
	f.Add([]byte{0x41, 0x95, 0x65, 0x66, 0x67, 0xb1, 0xf2, 0x21, 0x01, 0xc1, 0x81})
	prepared := prepare(f)
	f.Fuzz(func(t *testing.T, steps []byte) {
		steps = steps[:min(len(steps), 200)]
		model, store, at := newModel(), snapshot.New(), now
		store.Complete(now)
		var history []recorded
		for _, step := range steps {
			at = at.Add(time.Duration(step) * 50 * time.Millisecond)
			model.step(step, prepared, store, at)
			store.Expire(at)
			history = append(history, recorded{store.Snapshot(), at, describe(store.Snapshot(), at)})
		}
		for i, then := range history {
			if got := describe(then.snapshot, then.at); got != then.description {
				t.Fatalf("the snapshot of step %d has changed: %s, before %s", i, got, then.description)
			}
		}
		rebuilt := model.rebuild()
		for _, name := range letters {
			for _, later := range []time.Duration{0, snapshot.Grace, time.Minute} {
				compareLookups(t, store, rebuilt, slot(name), at.Add(later))
			}
		}
		if store.Snapshot().Slots() != rebuilt.Snapshot().Slots() {
			t.Fatalf("%d slots, rebuilt %d", store.Snapshot().Slots(), rebuilt.Snapshot().Slots())
		}
		rebuilt.Expire(at)
		if store.Snapshot().Secrets() != rebuilt.Snapshot().Secrets() {
			t.Fatalf("%d Secrets, rebuilt %d", store.Snapshot().Secrets(), rebuilt.Snapshot().Secrets())
		}
	})
}

// recorded is a snapshot with its description when it was created.
type recorded struct {
	snapshot    *snapshot.Snapshot
	at          time.Time
	description string
}

// describe returns everything that a snapshot returns.
func describe(snapshot *snapshot.Snapshot, at time.Time) string {
	summary := fmt.Sprint(snapshot.Slots(), snapshot.Secrets())
	for _, name := range letters {
		grant, err := snapshot.Lookup(slot(name), at)
		if err != nil {
			summary += fmt.Sprint("; ", err)
			continue
		}
		summary += fmt.Sprint("; ", grant.Binding, grant.Key, accepted(grant, at))
	}
	return summary
}

func compareLookups(t *testing.T, store, rebuilt *snapshot.Store, slot slots.Slot, at time.Time) {
	t.Helper()
	got, gotErr := store.Snapshot().Lookup(slot, at)
	want, wantErr := rebuilt.Snapshot().Lookup(slot, at)
	if reasonOf(got, gotErr) != reasonOf(want, wantErr) {
		t.Fatalf("%s: %v, rebuilt %v", slot, gotErr, wantErr)
	}
	if gotErr != nil {
		return
	}
	gotIDs, wantIDs := accepted(got, at), accepted(want, at)
	if got.Binding != want.Binding || got.Key != want.Key || len(gotIDs) != len(wantIDs) {
		t.Fatalf("%s: %s %s %v, rebuilt %s %s %v", slot, got.Binding, got.Key, gotIDs, want.Binding, want.Key, wantIDs)
	}
	for i := range gotIDs {
		if gotIDs[i] != wantIDs[i] {
			t.Fatalf("%s accepts %v, rebuilt %v", slot, gotIDs, wantIDs)
		}
	}
}
