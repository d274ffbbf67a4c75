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
	"github.com/signet-dev/signet/internal/testing/gen"
)

func TestPolicyOfTheBinding(t *testing.T) {
	f := newFixture(t)
	if diff := cmp.Diff(snapshot.Policy{Header: "Authorization"}, expectSigned(t, f.Store, now, f.set.Active.ID).Policy); diff != "" {
		t.Error(diff)
	}
	f.binding.Spec.SignatureHeader, f.binding.Spec.BackendHost = "X-Signature", "orders.internal"
	f.binding.Spec.Payload, f.binding.Spec.SignedHeaders = signetv1alpha1.PayloadSigned, []string{"content-type"}
	f.SetBinding(f.binding, now)
	want := snapshot.Policy{Header: "X-Signature", Host: "orders.internal", SignedPayload: true, SignedHeaders: []string{"content-type"}}
	if diff := cmp.Diff(want, expectSigned(t, f.Store, now, f.set.Active.ID).Policy); diff != "" {
		t.Error(diff)
	}
}

func TestReasonsOfUnusableSlots(t *testing.T) {
	deleted := metav1.NewTime(now)
	for name, tc := range map[string]struct {
		change func(*fixture)
		want   snapshot.Reason
	}{
		"no binding":                    {func(f *fixture) { f.RemoveBinding(namespace, "orders", now) }, snapshot.ReasonNoBinding},
		"binding that is being deleted": {func(f *fixture) { f.binding.DeletionTimestamp = &deleted }, snapshot.ReasonNoBinding},
		"other environment":             {func(f *fixture) { f.binding.Spec.Environment = "staging" }, snapshot.ReasonNoBinding},
		"API dropped from the spec":     {func(f *fixture) { f.binding.Spec.APIs[0].Name = "other" }, snapshot.ReasonNoBinding},
		"status of another environment": {func(f *fixture) { f.binding.Status.Environment = "staging" }, snapshot.ReasonNotBound},
		"no status yet":                 {func(f *fixture) { f.binding.Status = signetv1alpha1.SignatureBindingStatus{} }, snapshot.ReasonNotBound},
		"waiting for its key": {func(f *fixture) {
			f.binding.Status.APIs[0].BoundAt, f.binding.Status.APIs[0].State = nil, signetv1alpha1.APIPending
		}, snapshot.ReasonNotBound},
		"conflicted": {func(f *fixture) {
			f.binding.Status.APIs[0].BoundAt, f.binding.Status.APIs[0].State = nil, signetv1alpha1.APIConflicted
		}, snapshot.ReasonConflicted},
		"two holders":               {func(f *fixture) { f.SetBinding(newHolder("restored", "orders", "orders"), now) }, snapshot.ReasonContested},
		"no effective key":          {func(f *fixture) { f.binding.Status.KeyName = "" }, snapshot.ReasonNoKey},
		"no such key":               {func(f *fixture) { f.RemoveKey(namespace, "orders", now) }, snapshot.ReasonNoKey},
		"key's Secret elsewhere":    {func(f *fixture) { f.key.Spec.Target.Name = "elsewhere" }, snapshot.ReasonSecretMissing},
		"no managed label":          {func(f *fixture) { f.secret.Labels[signetv1alpha1.LabelMaterial] = signetv1alpha1.MaterialSource }, snapshot.ReasonSecretNotOwned},
		"no key label":              {func(f *fixture) { delete(f.secret.Labels, signetv1alpha1.LabelKey) }, snapshot.ReasonSecretNotOwned},
		"label of another key":      {func(f *fixture) { own(f.secret, "payments") }, snapshot.ReasonSecretNotOwned},
		"other type of Secret":      {func(f *fixture) { f.secret.Type = corev1.SecretTypeOpaque }, snapshot.ReasonSecretNotOwned},
		"other controller":          {func(f *fixture) { f.secret.OwnerReferences[0].Kind = "Deployment" }, snapshot.ReasonSecretNotOwned},
		"key of another group":      {func(f *fixture) { f.secret.OwnerReferences[0].APIVersion = "example.com/v1alpha1" }, snapshot.ReasonSecretNotOwned},
		"controlled by another key": {func(f *fixture) { f.secret.OwnerReferences[0].Name = "payments" }, snapshot.ReasonSecretNotOwned},
		"invalid material":          {func(f *fixture) { f.secret.Data["secret"] = []byte("short") }, snapshot.ReasonSecretBroken},
		"no material":               {func(f *fixture) { f.secret.Data = nil }, snapshot.ReasonSecretBroken},
		"other type of key":         {func(f *fixture) { f.key.Spec.Type = signetv1alpha1.KeyTypeBasic }, snapshot.ReasonSecretMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			tc.change(f)
			if _, exists := f.Snapshot().Lookup(slot("orders"), now); exists == nil { // an object was changed in place
				f.SetKey(f.key, now)
				f.SetSecret(f.secret, now)
				f.SetBinding(f.binding, now)
			}
			expectRefused(t, f.Store, "orders", now.Add(snapshot.Grace), tc.want)
			_, err := f.Snapshot().Lookup(slot("orders"), now.Add(snapshot.Grace))
			if text := err.Error(); !strings.Contains(text, "team-a/RELEASE/API/orders: "+string(tc.want)) || strings.Contains(text, string(f.set.Active.Secret)) {
				t.Errorf("error %q", text)
			}
		})
	}
}

func own(secret *corev1.Secret, key string) {
	secret.Labels[signetv1alpha1.LabelKey], secret.OwnerReferences[0].Name = key, key
}

func TestSignsWithRetainedSecrets(t *testing.T) {
	f := newFixture(t)
	f.secret.OwnerReferences = nil
	f.SetSecret(f.secret, now)
	expectSigned(t, f.Store, now.Add(time.Hour), f.set.Active.ID)
}

func TestNothingIsSignedBeforeTheSnapshotIsComplete(t *testing.T) {
	f := newFixture(t)
	early := snapshot.New()
	early.SetKey(f.key, now)
	early.SetSecret(f.secret, now)
	early.SetBinding(f.binding, now)
	expectRefused(t, early, "orders", now, snapshot.ReasonIncomplete)
	early.Complete(now)
	expectSigned(t, early, now, f.set.Active.ID)
}

func TestNothingIsSignedForANamespaceThatIsNotServed(t *testing.T) {
	f := newFixture(t)
	f.Serve([]string{namespace, "team-b"})
	f.SetServed("team-b", true)
	expectRefused(t, f.Store, "orders", now, snapshot.ReasonNotServed)
	f.SetServed(namespace, true)
	expectSigned(t, f.Store, now, f.set.Active.ID)
	f.SetServed(namespace, false)
	expectRefused(t, f.Store, "orders", now, snapshot.ReasonNotServed)
}

func TestSignsHeldSlotsInEveryState(t *testing.T) {
	for _, state := range []signetv1alpha1.APIState{signetv1alpha1.APIBound, signetv1alpha1.APINotPublished, signetv1alpha1.APIOffline} {
		f := newFixture(t)
		f.binding.Status.APIs[0].State = state
		f.SetBinding(f.binding, now)
		expectSigned(t, f.Store, now, f.set.Active.ID)
	}
}

func TestOtherSlotsAreNotSigned(t *testing.T) {
	f := newFixture(t)
	for name, other := range map[string]slots.Slot{
		"namespace":   {Namespace: "team-b", Environment: environment, Kind: signetv1alpha1.APIKindAPI, Name: "orders"},
		"environment": {Namespace: namespace, Environment: "release", Kind: signetv1alpha1.APIKindAPI, Name: "orders"},
		"kind":        {Namespace: namespace, Environment: environment, Kind: signetv1alpha1.APIKindHTTPRoute, Name: "orders"},
		"name":        {Namespace: namespace, Environment: environment, Kind: signetv1alpha1.APIKindAPI, Name: "order"},
	} {
		if got := reasonOf(f.Snapshot().Lookup(other, now)); got != snapshot.ReasonNoBinding {
			t.Errorf("other %s: %q", name, got)
		}
	}
}

func TestVanishedSecretIsUsableForTenSeconds(t *testing.T) {
	for name, vanish := range map[string]func(*fixture){
		"deleted": func(f *fixture) { f.RemoveSecret(namespace, "orders", now) },
		"deleted twice": func(f *fixture) {
			f.RemoveSecret(namespace, "orders", now)
			f.RemoveSecret(namespace, "orders", later(9))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			vanish(f)
			f.Expire(now.Add(snapshot.Grace - 1))
			expectSigned(t, f.Store, now.Add(snapshot.Grace-1), f.set.Active.ID)
			if got := reasonOf(f.Snapshot().Lookup(slot("orders"), now.Add(snapshot.Grace))); got == "" {
				t.Fatal("signed after Grace")
			}
			f.Expire(now.Add(snapshot.Grace))
			if got := reasonOf(f.Snapshot().Lookup(slot("orders"), now)); got == "" {
				t.Fatal("the material was not dropped")
			}
			restored := newSet(t, f.key)
			f.SetSecret(gen.ManagedSecret(f.key, restored.Encode()), later(60))
			expectSigned(t, f.Store, later(60), restored.Active.ID)
		})
	}
}

func later(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }

// onRecord puts the Secret on record in the status of its key.
func (f *fixture) onRecord() {
	f.secret.UID, f.key.Status.SecretUID = "recorded", "recorded"
	f.SetSecret(f.secret, now)
	f.SetKey(f.key, now)
}

// Only the Secret on record signs, whatever its labels and owners, which any writer
// can set.
func TestSecretOnRecordSigns(t *testing.T) {
	for name, change := range map[string]gen.SecretFunc{
		"unchanged":                   func(*corev1.Secret) {},
		"without the label of a key":  func(s *corev1.Secret) { delete(s.Labels, signetv1alpha1.LabelKey) },
		"labeled for another key":     func(s *corev1.Secret) { s.Labels[signetv1alpha1.LabelKey] = "payments" },
		"controlled by another owner": func(s *corev1.Secret) { s.OwnerReferences[0].Kind = "Deployment" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.onRecord()
			change(f.secret)
			f.SetSecret(f.secret, now)
			expectSigned(t, f.Store, later(60), f.set.Active.ID)
		})
	}
}

// A Secret that takes the place of the one on record does not sign. That one does
// for Grace, until the manager has decided.
func TestSecretInPlaceOfTheOneOnRecord(t *testing.T) {
	for name, replace := range map[string]func(*fixture){
		"deleted and created": func(f *fixture) { f.RemoveSecret(namespace, "orders", now) },
		"replaced unseen":     func(*fixture) {},
		"created twice": func(f *fixture) {
			f.SetSecret(gen.ManagedSecret(f.key, newSet(t, f.key).Encode(), gen.WithUID("first")), now)
		},
		"of another type": func(f *fixture) {
			f.SetSecret(gen.ManagedSecret(f.key, nil, gen.WithUID("opaque"), gen.SecretFunc(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque })), now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.onRecord()
			replace(f)
			forged := newSet(t, f.key)
			f.SetSecret(gen.ManagedSecret(f.key, forged.Encode(), gen.WithUID("forged")), now)
			f.Expire(now.Add(snapshot.Grace - 1))
			expectSigned(t, f.Store, now.Add(snapshot.Grace-1), f.set.Active.ID)
			expectRefused(t, f.Store, "orders", now.Add(snapshot.Grace), snapshot.ReasonSecretMissing)
			f.Expire(now.Add(snapshot.Grace))
			expectRefused(t, f.Store, "orders", now, snapshot.ReasonSecretReplaced)

			f.key.Status.SecretUID = "forged" // the trigger has consented
			f.SetKey(f.key, later(60))
			expectSigned(t, f.Store, later(60), forged.Active.ID)
		})
	}
}

func TestKeyOnRecordWaitsForItsSecret(t *testing.T) {
	f := newFixture(t)
	f.onRecord()
	f.key.Status.SecretUID = "created"
	f.SetKey(f.key, now)
	expectRefused(t, f.Store, "orders", now, snapshot.ReasonSecretReplaced)
	created := newSet(t, f.key)
	f.SetSecret(gen.ManagedSecret(f.key, created.Encode(), gen.WithUID("created")), now)
	expectSigned(t, f.Store, now, created.Active.ID)
	f.Expire(later(60))
	expectSigned(t, f.Store, later(60), created.Active.ID)
}

func TestReplacedSecretIsUsedImmediately(t *testing.T) {
	f := newFixture(t)
	f.RemoveSecret(namespace, "orders", now)
	replacement := newSet(t, f.key)
	f.SetSecret(gen.ManagedSecret(f.key, replacement.Encode()), later(1))
	expectSigned(t, f.Store, later(1), replacement.Active.ID)
	f.Expire(later(60))
	expectSigned(t, f.Store, later(60), replacement.Active.ID)
}

func TestInvalidSecretIsRefusedImmediately(t *testing.T) {
	f := newFixture(t)
	f.secret.Data["secret"] = nil
	f.SetSecret(f.secret, now)
	expectRefused(t, f.Store, "orders", now, snapshot.ReasonSecretBroken)
}

func TestModifiedMaterialSigns(t *testing.T) {
	f := newFixture(t)
	f.secret.Data["secret"] = []byte(strings.Repeat("m", 32)) // no longer matches the checksum
	f.SetSecret(f.secret, now)
	expectSigned(t, f.Store, now, f.set.Active.ID)
}

func TestEveryTypeSigns(t *testing.T) {
	for _, spec := range []signetv1alpha1.SignatureKeySpec{
		{Type: signetv1alpha1.KeyTypeHMAC}, {Type: signetv1alpha1.KeyTypeBasic}, {Type: signetv1alpha1.KeyTypePublicKey},
		{Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES128CFB},
		{Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES256CFB},
	} {
		key := gen.SignatureKey("orders", inNamespace, gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) { key.Spec = spec }))
		f, set := newFixture(t), newSet(t, key)
		f.SetKey(key, now)
		f.SetSecret(gen.ManagedSecret(key, set.Encode()), now)
		expectSigned(t, f.Store, now, set.Active.ID)
	}
}

// The versions that the Secret lists for backends verify, and the active version is
// always one of them (invariant 9).
func TestAcceptedVersionsDuringRotation(t *testing.T) {
	f := newFixture(t)
	next, previous := newSet(t, f.key).Active, newSet(t, f.key).Active
	previous.Retires = later(60)
	active := f.set.Active.ID

	f.set.Next = &next
	f.SetSecret(gen.ManagedSecret(f.key, f.set.Encode()), now)
	if diff := cmp.Diff([]string{active, next.ID}, accepted(expectSigned(t, f.Store, now, active), now)); diff != "" {
		t.Error("staged: ", diff)
	}
	f.set.Next, f.set.Previous = nil, &previous
	f.SetSecret(gen.ManagedSecret(f.key, f.set.Encode()), now)
	// A clock that is ahead drops no version that the Secret still lists, within the
	// difference that signatures allow.
	for at, want := range map[int][]string{0: {active, previous.ID}, 60 + 899: {active, previous.ID}, 60 + 900: {active}} {
		if diff := cmp.Diff(want, accepted(expectSigned(t, f.Store, later(at), active), later(at))); diff != "" {
			t.Errorf("retiring, after %d s: %s", at, diff)
		}
	}
	f.set.Previous = nil // retired or revoked
	f.SetSecret(gen.ManagedSecret(f.key, f.set.Encode()), now)
	if diff := cmp.Diff([]string{active}, accepted(expectSigned(t, f.Store, now, active), now)); diff != "" {
		t.Error("dropped: ", diff)
	}
}

func TestMoveToAnotherKey(t *testing.T) {
	f := newFixture(t)
	key := gen.SignatureKey("fresh", inNamespace)
	set := newSet(t, key)
	f.SetKey(key, now)
	f.SetSecret(gen.ManagedSecret(key, set.Encode()), now)
	f.binding.Spec.KeyRef.Name = "fresh"
	f.SetBinding(f.binding, now)
	expectSigned(t, f.Store, now, f.set.Active.ID) // until the manager changes status.keyName

	f.binding.Status.KeyName = "fresh"
	f.binding.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: "orders", Until: metav1.NewTime(later(60))}}
	f.SetBinding(f.binding, now)
	for at, want := range map[int][]string{0: {set.Active.ID, f.set.Active.ID}, 59: {set.Active.ID, f.set.Active.ID}, 60: {set.Active.ID}} {
		if diff := cmp.Diff(want, accepted(expectSigned(t, f.Store, later(at), set.Active.ID), later(at))); diff != "" {
			t.Errorf("after %d s: %s", at, diff)
		}
	}
	f.RemoveKey(namespace, "orders", now) // the previous key is optional
	if got := accepted(expectSigned(t, f.Store, now, set.Active.ID), now); !slices.Equal(got, []string{set.Active.ID}) {
		t.Error(got)
	}
}

func TestInvalidKeyAffectsOnlyItsSlots(t *testing.T) {
	f := newFixture(t)
	for i := range 10 {
		name := fmt.Sprintf("other-%d", i)
		key := gen.SignatureKey(name, inNamespace)
		f.SetKey(key, now)
		f.SetSecret(gen.ManagedSecret(key, newSet(t, key).Encode(), gen.SecretFunc(func(secret *corev1.Secret) { secret.Data["secret"] = nil })), now)
		f.SetBinding(newHolder(name, name, name), now)
	}
	expectSigned(t, f.Store, now, f.set.Active.ID)
	expectRefused(t, f.Store, "other-3", now, snapshot.ReasonSecretBroken)
}

func TestUnchangedObjectsKeepTheSnapshot(t *testing.T) {
	f := newFixture(t)
	before := f.Snapshot()
	f.SetKey(f.key, later(1))
	reported := f.binding.DeepCopy()
	reported.Generation++
	reported.Status.Conditions = append(reported.Status.Conditions, metav1.Condition{Type: "Other"})
	f.SetBinding(reported, later(1))
	f.Expire(later(1))
	f.Complete(later(1))
	f.RemoveSecret(namespace, "nothing", later(1))
	if f.Snapshot() != before || !before.Changed().Equal(now) {
		t.Error("the snapshot was replaced")
	}
}

// A lookup during changes returns the result of one of the snapshots.
func TestLookupsDuringChanges(t *testing.T) {
	f := newFixture(t)
	sets := []*material.Set{f.set, newSet(t, f.key)}
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
				grant, err := f.Snapshot().Lookup(slot("orders"), now)
				if err != nil {
					t.Error(err)
					return
				}
				if key, err := grant.SigningKey(); err != nil || !slices.Contains(ids, key.ID()) {
					t.Errorf("signed with %v, %v", key.ID(), err)
					return
				}
			}
		})
	}
	for i := range 2000 {
		f.SetSecret(gen.ManagedSecret(f.key, sets[i%2].Encode()), now)
		name := fmt.Sprintf("orders-%d", i%50)
		f.SetBinding(newHolder(name, "orders", name), now)
		f.RemoveBinding(namespace, fmt.Sprintf("orders-%d", (i+25)%50), now)
	}
	close(stop)
	readers.Wait()
}
