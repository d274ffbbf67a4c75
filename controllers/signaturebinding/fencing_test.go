// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

func tracedBinding(name string, age time.Duration, options ...gen.BindingOption) *signetv1alpha1.SignatureBinding {
	return gen.SignatureBinding(name, "orders", append([]gen.BindingOption{
		gen.InNamespace("shop"), gen.WithAPIs("a"), gen.CreatedAt(now.Add(-age)), gen.WithSignatureHeader("X-" + name),
	}, options...)...)
}

// tracedKey is a key with material and its managed Secret.
func tracedKey(t *testing.T, finalizers ...string) []client.Object {
	t.Helper()
	key := gen.SignatureKey("orders", gen.InNamespace("shop"), gen.WithUID("orders-1"), gen.WithKeyID("v1"), gen.WithFinalizers(finalizers...))
	secret := gen.ManagedSecret(key, map[string][]byte{}, gen.WithFinalizers(finalizers...))
	return []client.Object{key, secret}
}

// A grant whose outcome is unknown counts: no other binding gets the slot before a
// newer version of the binding is seen and shows that it does not hold it.
func TestGrantOfUnknownOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		fate fate
	}{
		"the answer is lost":           {answerLost},
		"the client repeats the write": {repeated},
		"the write is late":            {delayed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, append(tracedKey(t), tracedBinding("younger", time.Minute))...)
			f.watch("younger")
			f.fates = []fate{test.fate}
			_ = f.reconcile("younger") // its outcome is what the trace is about

			if err := f.store.Create(t.Context(), tracedBinding("older", time.Hour)); err != nil {
				t.Fatal(err)
			}
			f.watch("older")
			_ = f.reconcile("older")
			for _, arrive := range f.arrives {
				_ = arrive() // 409 if the younger one has been written since
			}
			f.expectHolders("younger")

			f.watch("younger")
			_ = f.reconcile("younger")
			_ = f.reconcile("older")
			f.expectHolders("younger")
		})
	}
}

// A release whose outcome is unknown does not count.
func TestReleaseOfUnknownOutcome(t *testing.T) {
	f := newFixture(t, append(tracedKey(t, signetv1alpha1.FinalizerProtection), tracedBinding("first", time.Hour))...)
	f.watch("first")
	if err := f.reconcile("first"); err != nil {
		t.Fatal(err)
	}
	dropped := f.read("first")
	dropped.Spec.APIs = []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(kindAPI, "b")}
	if err := f.store.Update(t.Context(), dropped); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Create(t.Context(), tracedBinding("second", time.Minute)); err != nil {
		t.Fatal(err)
	}
	f.watch("first")
	f.watch("second")
	f.fates = slices.Repeat([]fate{delayed}, 20)
	_ = f.reconcile("first")
	_ = f.reconcile("second")
	if held := slots.HeldBy(f.read("second")); len(held) > 0 {
		t.Fatalf("second holds %v while the release of first is on its way", held)
	}
	f.fates = nil
	f.watch("first")
	_ = f.reconcile("second")
	if held := slots.HeldBy(f.read("second")); len(held) != 1 {
		t.Errorf("second holds %v, want the API that first has released", held)
	}
}

// An earlier leader may have a grant on its way to any binding that this leader's
// list shows, even to one that is recorded as the loser.
func TestGrantOfAnEarlierLeader(t *testing.T) {
	loser := tracedBinding("loser", time.Minute)
	loser.Status = signetv1alpha1.SignatureBindingStatus{
		Environment: "RELEASE", KeyName: "orders", APIs: []signetv1alpha1.APIStatus{{
			Group: kindAPI.Group(), Kind: kindAPI, Name: "a", State: signetv1alpha1.APIConflicted, Holder: "winner",
		}},
	}
	f := newFixture(t, append(tracedKey(t), loser, tracedBinding("winner", time.Hour))...)
	late := f.read("loser")
	late.Status.APIs[0].State, late.Status.APIs[0].BoundAt = signetv1alpha1.APIBound, &metav1.Time{Time: now}
	if err := f.reconcile("winner"); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Status().Update(t.Context(), late); !apierrors.IsConflict(err) {
		t.Errorf("the late grant of the earlier leader = %v, want a conflict", err)
	}
	f.expectHolders("winner")
}

// A grant changes key and Secret even if both carry the finalizer, so that a removal
// that was decided before fails. An acknowledged grant has done so already.
func TestLateRemovalOfProtection(t *testing.T) {
	f := newFixture(t, append(tracedKey(t, signetv1alpha1.FinalizerProtection), tracedBinding("first", time.Hour), tracedBinding("second", time.Minute, gen.ReplacingAPIs(gen.WithAPIs("b"))))...)
	at := client.ObjectKey{Namespace: "shop", Name: "orders"}
	key, secret := &signetv1alpha1.SignatureKey{}, &corev1.Secret{}
	read := func() (keyVersion, secretVersion string) {
		if err := errors.Join(f.store.Get(t.Context(), at, key), f.store.Get(t.Context(), at, secret)); err != nil {
			t.Fatal(err)
		}
		return key.ResourceVersion, secret.ResourceVersion
	}
	keyBefore, secretBefore := read()
	if err := f.reconcile("first"); err != nil {
		t.Fatal(err)
	}
	keyAfter, secretAfter := read()
	if keyAfter == keyBefore || secretAfter == secretBefore {
		t.Errorf("the first grant has left key (%t) or Secret (%t) as it was", keyAfter == keyBefore, secretAfter == secretBefore)
	}
	if !signetv1alpha1.IsProtected(key) || !signetv1alpha1.IsProtected(secret) || !material.IsOwnedBy(secret, key) {
		t.Error("key or Secret is not protected")
	}
	if err := f.reconcile("second"); err != nil {
		t.Fatal(err)
	}
	if k, sec := read(); k != keyAfter || sec != secretAfter {
		t.Error("the second grant has written key or Secret again")
	}
	f.expectHolders("first", "second")

	next := f.nextLeader()
	if err := next.store.Create(t.Context(), tracedBinding("third", time.Second, gen.ReplacingAPIs(gen.WithAPIs("c")))); err != nil {
		t.Fatal(err)
	}
	if err := next.reconcile("third"); err != nil {
		t.Fatal(err)
	}
	if k, sec := read(); k != keyAfter || sec != secretAfter {
		t.Error("the next leader has written key or Secret although a grant stands")
	}
	next.expectHolders("first", "second", "third")
}

// A binding on Standby that was reconciled before the holder was granted the API is
// woken by that.
func TestStandbyIsWokenByTheGrant(t *testing.T) {
	f := newFixture(t, append(readyKey(), claimant("orders", time.Hour))...)
	if _, _, err := f.Term.Begin(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Create(t.Context(), claimant("standby", time.Minute)); err != nil {
		t.Fatal(err)
	}
	f.watch("standby") // wakes the other one
	if err := f.reconcile("standby"); err != nil {
		t.Fatal(err)
	}
	f.expectHolders("orders")
	if ready := readyOf(f.read("standby").Status); ready.Reason != "Standby" {
		t.Errorf("the binding on Standby reports %+v", ready)
	}
}

// A binding that goes while its key is being protected leaves a key that nothing uses.
// The key's controller has seen to the end of the binding before, and takes the write of
// the finalizer for no news.
func TestKeyThatWasProtectedForNothingIsWoken(t *testing.T) {
	for name, refused := range map[string]error{"key and Secret": nil, "the key alone": forbidden("no")} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, append(readyKey(), claimant("orders", time.Hour))...)
			f.refuses = func(object client.Object, _ bool) error {
				if _, isSecret := object.(*corev1.Secret); isSecret {
					return refused
				}
				return nil
			}
			binding, woken := f.read("orders"), []string(nil)
			f.claims().Subscribe(func(_ string, change slots.Change) { woken = append(woken, change.Keys...) })
			f.Client = interceptor.NewClient(f.store, interceptor.Funcs{
				Get: func(ctx context.Context, store client.WithWatch, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
					f.claims().Decide("shop", slots.Waiter{ID: "end", Retry: func() { // when the decision has been made
						f.claims().Delete(binding)
						woken = nil
					}})
					return store.Get(ctx, name, object, options...)
				},
			})
			if err := f.reconcile("orders"); (err != nil) != (refused != nil) {
				t.Fatal(err)
			}
			if !slices.Contains(woken, "orders") {
				t.Error("the key is not woken")
			}
		})
	}
}

// The watch may show the end of a binding before the response to its last write arrives:
// what is kept of that does not outlive the binding.
func TestNothingIsKeptOfADeletedBinding(t *testing.T) {
	f := newFixture(t, append(readyKey(), claimant("orders", time.Hour))...)
	before := f.read("orders")
	if err := f.reconcile("orders"); err != nil || !f.Written.Seen(before) {
		t.Fatalf("the response is not kept: %v", err)
	}
	f.claims().Delete(before)
	if err := f.reconcile("orders"); err != nil || f.Written.Seen(before) {
		t.Errorf("the response is still kept: %v", err)
	}
}
