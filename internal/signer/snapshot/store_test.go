// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
)

func TestPolicyOfTheBinding(t *testing.T) {
	w := newWorld(t)
	if diff := cmp.Diff(snapshot.Policy{Header: "Authorization"}, signs(t, w.Store, "orders", now, w.set.Active.ID).Policy); diff != "" {
		t.Error(diff)
	}
	w.binding.Spec.SignatureHeader, w.binding.Spec.BackendHost = "X-Signature", "orders.internal"
	w.binding.Spec.Payload, w.binding.Spec.SignedHeaders = signetv1alpha1.PayloadSigned, []string{"content-type"}
	w.SetBinding(w.binding, now)
	want := snapshot.Policy{Header: "X-Signature", Host: "orders.internal", SignedPayload: true, SignedHeaders: []string{"content-type"}}
	if diff := cmp.Diff(want, signs(t, w.Store, "orders", now, w.set.Active.ID).Policy); diff != "" {
		t.Error(diff)
	}
}

func TestWhyASlotIsRefused(t *testing.T) {
	deleted := metav1.NewTime(now)
	for name, tc := range map[string]struct {
		change func(*world)
		want   snapshot.Reason
	}{
		"no binding":                    {func(w *world) { w.RemoveBinding(namespace, "orders", now) }, snapshot.ReasonNoBinding},
		"binding that is being deleted": {func(w *world) { w.binding.DeletionTimestamp = &deleted }, snapshot.ReasonNoBinding},
		"another environment":           {func(w *world) { w.binding.Spec.Environment = "staging" }, snapshot.ReasonNoBinding},
		"API dropped from the spec":     {func(w *world) { w.binding.Spec.APIs[0].Name = "other" }, snapshot.ReasonNoBinding},
		"status of another environment": {func(w *world) { w.binding.Status.Environment = "staging" }, snapshot.ReasonNotBound},
		"no status yet":                 {func(w *world) { w.binding.Status = signetv1alpha1.SignatureBindingStatus{} }, snapshot.ReasonNotBound},
		"waits for its key": {func(w *world) {
			w.binding.Status.APIs[0].BoundAt, w.binding.Status.APIs[0].State = nil, signetv1alpha1.APIPending
		}, snapshot.ReasonNotBound},
		"conflicted": {func(w *world) {
			w.binding.Status.APIs[0].BoundAt, w.binding.Status.APIs[0].State = nil, signetv1alpha1.APIConflicted
		}, snapshot.ReasonConflicted},
		"two holders":               {func(w *world) { w.SetBinding(newBinding("restored", "orders", "orders"), now) }, snapshot.ReasonContested},
		"no key in force":           {func(w *world) { w.binding.Status.KeyName = "" }, snapshot.ReasonNoKey},
		"key gone":                  {func(w *world) { w.RemoveKey(namespace, "orders", now) }, snapshot.ReasonNoKey},
		"key's Secret elsewhere":    {func(w *world) { w.key.Spec.Target.Name = "elsewhere" }, snapshot.ReasonSecretMissing},
		"no managed label":          {func(w *world) { w.secret.Labels[signetv1alpha1.LabelMaterial] = signetv1alpha1.MaterialSource }, snapshot.ReasonSecretForeign},
		"no key's label":            {func(w *world) { delete(w.secret.Labels, signetv1alpha1.LabelKey) }, snapshot.ReasonSecretForeign},
		"another key's label":       {func(w *world) { own(w.secret, "payments") }, snapshot.ReasonSecretForeign},
		"another type of Secret":    {func(w *world) { w.secret.Type = corev1.SecretTypeOpaque }, snapshot.ReasonSecretForeign},
		"another controller":        {func(w *world) { w.secret.OwnerReferences[0].Kind = "Deployment" }, snapshot.ReasonSecretForeign},
		"another group's key":       {func(w *world) { w.secret.OwnerReferences[0].APIVersion = "example.com/v1alpha1" }, snapshot.ReasonSecretForeign},
		"controlled by another key": {func(w *world) { w.secret.OwnerReferences[0].Name = "payments" }, snapshot.ReasonSecretForeign},
		"broken material":           {func(w *world) { w.secret.Data["secret"] = []byte("short") }, snapshot.ReasonSecretBroken},
		"no material":               {func(w *world) { w.secret.Data = nil }, snapshot.ReasonSecretBroken},
		"another type of key":       {func(w *world) { w.key.Spec.Type = signetv1alpha1.KeyTypeBasic }, snapshot.ReasonSecretMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.change(w)
			if _, there := w.Snapshot().Lookup(slot("orders"), now); there == nil { // an object was changed in place
				w.SetKey(w.key, now)
				w.SetSecret(w.secret, now)
				w.SetBinding(w.binding, now)
			}
			refuses(t, w.Store, "orders", now.Add(snapshot.Grace), tc.want)
			_, err := w.Snapshot().Lookup(slot("orders"), now.Add(snapshot.Grace))
			if text := err.Error(); !strings.Contains(text, "team-a/RELEASE/API/orders: "+string(tc.want)) || strings.Contains(text, string(w.set.Active.Secret)) {
				t.Errorf("error %q", text)
			}
		})
	}
}

func own(secret *corev1.Secret, key string) {
	secret.Labels[signetv1alpha1.LabelKey], secret.OwnerReferences[0].Name = key, key
}

func TestRetainedSecretsHaveNoOwner(t *testing.T) {
	w := newWorld(t)
	w.secret.OwnerReferences = nil
	w.SetSecret(w.secret, now)
	signs(t, w.Store, "orders", now.Add(time.Hour), w.set.Active.ID)
}

func TestNothingIsSignedBeforeTheSnapshotIsComplete(t *testing.T) {
	w := newWorld(t)
	early := snapshot.New()
	early.SetKey(w.key, now)
	early.SetSecret(w.secret, now)
	early.SetBinding(w.binding, now)
	refuses(t, early, "orders", now, snapshot.ReasonIncomplete)
	early.Complete(now)
	signs(t, early, "orders", now, w.set.Active.ID)
}

func TestHeldSlotsAreSignedWhateverTheirPublication(t *testing.T) {
	for _, state := range []signetv1alpha1.APIState{signetv1alpha1.APIBound, signetv1alpha1.APINotPublished, signetv1alpha1.APIOffline} {
		w := newWorld(t)
		w.binding.Status.APIs[0].State = state
		w.SetBinding(w.binding, now)
		signs(t, w.Store, "orders", now, w.set.Active.ID)
	}
}

func TestOnlyTheSlotItself(t *testing.T) {
	w := newWorld(t)
	for name, other := range map[string]slots.Slot{
		"namespace":   {Namespace: "team-b", Environment: environment, Kind: signetv1alpha1.APIKindAPI, Name: "orders"},
		"environment": {Namespace: namespace, Environment: "release", Kind: signetv1alpha1.APIKindAPI, Name: "orders"},
		"kind":        {Namespace: namespace, Environment: environment, Kind: signetv1alpha1.APIKindHTTPRoute, Name: "orders"},
		"name":        {Namespace: namespace, Environment: environment, Kind: signetv1alpha1.APIKindAPI, Name: "order"},
	} {
		if got := reasonOf(w.Snapshot().Lookup(other, now)); got != snapshot.ReasonNoBinding {
			t.Errorf("another %s: %q", name, got)
		}
	}
}

func TestVanishedSecretStaysForTenSeconds(t *testing.T) {
	for name, vanish := range map[string]func(*world){
		"deleted":     func(w *world) { w.RemoveSecret(namespace, "orders", now) },
		"label taken": func(w *world) { delete(w.secret.Labels, signetv1alpha1.LabelKey); w.SetSecret(w.secret, now) },
		"taken, gone": func(w *world) {
			w.secret.Type = ""
			w.SetSecret(w.secret, now)
			w.RemoveSecret(namespace, "orders", later(9))
		},
		"deleted twice": func(w *world) {
			w.RemoveSecret(namespace, "orders", now)
			w.RemoveSecret(namespace, "orders", later(9))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			vanish(w)
			w.Expire(now.Add(snapshot.Grace - 1))
			signs(t, w.Store, "orders", now.Add(snapshot.Grace-1), w.set.Active.ID)
			if got := reasonOf(w.Snapshot().Lookup(slot("orders"), now.Add(snapshot.Grace))); got == "" {
				t.Fatal("still signs")
			}
			w.Expire(now.Add(snapshot.Grace))
			if got := reasonOf(w.Snapshot().Lookup(slot("orders"), now)); got == "" {
				t.Fatal("the material is still there")
			}
			restored := newSet(t, w.key)
			w.SetSecret(newSecret(w.key, restored), later(60))
			signs(t, w.Store, "orders", later(60), restored.Active.ID)
		})
	}
}

func later(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }

func TestReplacedSecretIsInForceAtOnce(t *testing.T) {
	w := newWorld(t)
	w.RemoveSecret(namespace, "orders", now)
	replacement := newSet(t, w.key)
	w.SetSecret(newSecret(w.key, replacement), later(1))
	signs(t, w.Store, "orders", later(1), replacement.Active.ID)
	w.Expire(later(60))
	signs(t, w.Store, "orders", later(60), replacement.Active.ID)
}

func TestBrokenSecretIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.secret.Data["secret"] = nil
	w.SetSecret(w.secret, now)
	refuses(t, w.Store, "orders", now, snapshot.ReasonSecretBroken)
}

func TestModifiedMaterialSigns(t *testing.T) {
	w := newWorld(t)
	w.secret.Data["secret"] = []byte(strings.Repeat("m", 32)) // the checksum is another one now
	w.SetSecret(w.secret, now)
	signs(t, w.Store, "orders", now, w.set.Active.ID)
}

func TestEveryTypeSigns(t *testing.T) {
	for _, spec := range []signetv1alpha1.SignatureKeySpec{
		{Type: signetv1alpha1.KeyTypeHMAC}, {Type: signetv1alpha1.KeyTypeBasic}, {Type: signetv1alpha1.KeyTypePublicKey},
		{Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES128CFB},
		{Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES256CFB},
	} {
		key := newKey("orders", func(key *signetv1alpha1.SignatureKey) { key.Spec = spec })
		w, set := newWorld(t), newSet(t, key)
		w.SetKey(key, now)
		w.SetSecret(newSecret(key, set), now)
		signs(t, w.Store, "orders", now, set.Active.ID)
	}
}

// What the Secret tells backends to accept is what verifies, and the active
// version is always part of it (invariant 9).
func TestRotationAsTheSecretTellsIt(t *testing.T) {
	w := newWorld(t)
	next, previous := newSet(t, w.key).Active, newSet(t, w.key).Active
	previous.Retires = later(60)
	active := w.set.Active.ID

	w.set.Next = &next
	w.SetSecret(newSecret(w.key, w.set), now)
	if diff := cmp.Diff([]string{active, next.ID}, accepted(signs(t, w.Store, "orders", now, active), now)); diff != "" {
		t.Error("staged: ", diff)
	}
	w.set.Next, w.set.Previous = nil, &previous
	w.SetSecret(newSecret(w.key, w.set), now)
	// A clock that is ahead drops nothing that the Secret still has, within the
	// difference of clocks that signatures bear.
	for at, want := range map[int][]string{0: {active, previous.ID}, 60 + 899: {active, previous.ID}, 60 + 900: {active}} {
		if diff := cmp.Diff(want, accepted(signs(t, w.Store, "orders", later(at), active), later(at))); diff != "" {
			t.Errorf("retiring, after %d s: %s", at, diff)
		}
	}
	w.set.Previous = nil // retired, or dropped for immediate
	w.SetSecret(newSecret(w.key, w.set), now)
	if diff := cmp.Diff([]string{active}, accepted(signs(t, w.Store, "orders", now, active), now)); diff != "" {
		t.Error("dropped: ", diff)
	}
}

func TestMoveToAnotherKey(t *testing.T) {
	w := newWorld(t)
	key := newKey("fresh")
	set := newSet(t, key)
	w.SetKey(key, now)
	w.SetSecret(newSecret(key, set), now)
	w.binding.Spec.KeyRef.Name = "fresh"
	w.SetBinding(w.binding, now)
	signs(t, w.Store, "orders", now, w.set.Active.ID) // until the manager says otherwise

	w.binding.Status.KeyName = "fresh"
	w.binding.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: "orders", Until: metav1.NewTime(later(60))}}
	w.SetBinding(w.binding, now)
	for at, want := range map[int][]string{0: {set.Active.ID, w.set.Active.ID}, 59: {set.Active.ID, w.set.Active.ID}, 60: {set.Active.ID}} {
		if diff := cmp.Diff(want, accepted(signs(t, w.Store, "orders", later(at), set.Active.ID), later(at))); diff != "" {
			t.Errorf("after %d s: %s", at, diff)
		}
	}
	w.RemoveKey(namespace, "orders", now) // the key before is not needed
	if got := accepted(signs(t, w.Store, "orders", now, set.Active.ID), now); !slices.Equal(got, []string{set.Active.ID}) {
		t.Error(got)
	}
}

func TestOneBrokenKeyStopsNothingElse(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		name := fmt.Sprintf("other-%d", i)
		key := newKey(name)
		w.SetKey(key, now)
		w.SetSecret(newSecret(key, newSet(t, key), func(secret *corev1.Secret) { secret.Data["secret"] = nil }), now)
		w.SetBinding(newBinding(name, name, name), now)
	}
	signs(t, w.Store, "orders", now, w.set.Active.ID)
	refuses(t, w.Store, "other-3", now, snapshot.ReasonSecretBroken)
}

func TestUnchangedObjectsMakeNoSnapshot(t *testing.T) {
	w := newWorld(t)
	before := w.Snapshot()
	w.SetKey(w.key, later(1))
	w.Expire(later(1))
	w.Complete(later(1))
	w.RemoveSecret(namespace, "nothing", later(1))
	if w.Snapshot() != before || !before.Changed().Equal(now) {
		t.Error("another snapshot was made")
	}
}

// Whoever looks up while others change the store is answered from one snapshot
// or another.
func TestLookupsDuringChanges(t *testing.T) {
	w := newWorld(t)
	sets := []*material.Set{w.set, newSet(t, w.key)}
	ids := []string{sets[0].Active.ID, sets[1].Active.ID}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				grant, err := w.Snapshot().Lookup(slot("orders"), now)
				if err != nil {
					t.Error(err)
					return
				}
				if key, err := grant.SigningKey(); err != nil || !slices.Contains(ids, key.ID()) {
					t.Errorf("signs with %v, %v", key.ID(), err)
					return
				}
			}
		})
	}
	for i := range 2000 {
		w.SetSecret(newSecret(w.key, sets[i%2]), now)
		name := fmt.Sprintf("orders-%d", i%50)
		w.SetBinding(newBinding(name, "orders", name), now)
		w.RemoveBinding(namespace, fmt.Sprintf("orders-%d", (i+25)%50), now)
	}
	close(stop)
	readers.Wait()
}
