// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// moving is a binding that holds an API with the key "old" and names the key
// "orders".
func moving(keyBefore *signetv1alpha1.SignatureKey) func(*observation) {
	return func(seen *observation) {
		seen.keyBefore = keyBefore
		seen.binding.Status.KeyName, seen.binding.Status.DisplayName = "old", "recorded_signature"
		seen.binding.Status.APIs = []signetv1alpha1.APIStatus{{Kind: kindAPI, Name: "a", BoundAt: &metav1.Time{Time: before}}}
	}
}

// holdingNothing is a binding whose key has signed nothing for it.
func holdingNothing(seen *observation) { seen.binding.Status.APIs = nil }

// had is a binding that signed with the key before.
func had(name string, until time.Time) func(*observation) {
	return withStatus(func(s *signetv1alpha1.SignatureBindingStatus) {
		s.PreviousKeys = append(s.PreviousKeys, signetv1alpha1.PreviousKey{Name: name, Until: metav1.NewTime(until)})
	})
}

func previous(name string, until time.Time) func(*decision) {
	return func(d *decision) {
		d.status.PreviousKeys = append(d.status.PreviousKeys, signetv1alpha1.PreviousKey{Name: name, Until: metav1.NewTime(until)})
	}
}

// effective is the name on the gateway of the key "old", which still signs.
func effective(displayName string) func(*decision) {
	return func(d *decision) { d.status.KeyName, d.status.DisplayName = "old", displayName }
}

func again(after time.Duration) func(*decision) { return func(d *decision) { d.requeueAfter = after } }

// A binding moves to another key when that key has material. Until then it keeps
// signing with the key before.
func TestMoveToAnotherKey(t *testing.T) {
	holds := withAPI("a", heldMine, recorded(nil))
	bound := entry(kindAPI, signetv1alpha1.APIBound, boundAt(before))
	const waits = `SignatureKey "orders" has no material yet (KeyNotReady). See its status. Until then, SignatureKey "old" keeps signing.`
	expectDecisions(t, map[string]decisionCase{
		"the new key has material": {
			observed(moving(keyWithMaterial("old")), holds),
			wanted(bound, ready("Bound", boundMessage), grants, previous("old", now.Add(time.Minute)), again(time.Minute)),
		},
		"the new key has no material": {
			observed(moving(keyWithMaterial("old")), withKey(keyWithout("")), holds),
			wanted(effective("old_signature"), bound, waiting("KeyNotReady", waits)),
		},
		"neither key has material": {
			observed(moving(keyWithout("SecretLost")), withKey(keyWithout("")), holds),
			wanted(effective("recorded_signature"), entry(kindAPI, signetv1alpha1.APIPending, boundAt(before), message("held, but the key has no material")),
				waiting("KeyNotReady", waits)),
		},
		"the key before is gone": {
			observed(moving(nil), withKey(nil), holds),
			wanted(effective("recorded_signature"), entry(kindAPI, signetv1alpha1.APIPending, boundAt(before), message("held, but the key has no material")),
				waiting("KeyNotFound", `SignatureKey "orders" does not exist in this namespace. Create it or fix spec.keyRef.name. Until then, SignatureKey "old" keeps signing.`)),
		},
		"the second move within a minute": {
			observed(moving(keyWithMaterial("old")), holds, had("older", now.Add(20*time.Second))),
			wanted(bound, ready("Bound", boundMessage), grants,
				previous("old", now.Add(time.Minute)), previous("older", now.Add(20*time.Second)), again(20*time.Second)),
		},
		"a move of a binding that held nothing": {
			observed(moving(keyWithMaterial("old")), holdingNothing, withAPI("a", mine)),
			wanted(entry(kindAPI, signetv1alpha1.APIBound, boundAt(now)), ready("Bound", boundMessage), grants),
		},
		"holding nothing, to a key that does not exist": {
			observed(moving(keyWithMaterial("old")), holdingNothing, withKey(nil), withAPI("a", mine)),
			wanted(withoutKey, entry(kindAPI, signetv1alpha1.APIPending, message("not held; waiting for the key")),
				waiting("KeyNotFound", `SignatureKey "orders" does not exist in this namespace. Create it or fix spec.keyRef.name.`)),
		},
		"a move back": {
			observed(moving(keyWithMaterial("old")), holds, had("orders", now.Add(20*time.Second))),
			wanted(bound, ready("Bound", boundMessage), grants, previous("old", now.Add(time.Minute)), again(time.Minute)),
		},
		"a minute after a move": {
			observed(holds, had("older", now), had("old", now.Add(time.Second)), withStatus(func(s *signetv1alpha1.SignatureBindingStatus) { s.KeyName = "orders" })),
			wanted(bound, ready("Bound", boundMessage), previous("old", now.Add(time.Second)), again(time.Second)),
		},
	})
}

// An earlier key is in use until its entry expires, so none is dropped for a new one.
func TestNinthMoveWithinAMinuteWaits(t *testing.T) {
	seen := []func(*observation){moving(keyWithMaterial("old")), withAPI("a", heldMine, recorded(nil))}
	want := []func(*decision){
		effective("old_signature"), entry(kindAPI, signetv1alpha1.APIBound, boundAt(before)),
		waiting("KeyNotReady", `The binding moves to SignatureKey "orders" when the first of its 8 previous keys expires. `+
			`This resolves without action. Until then, SignatureKey "old" keeps signing.`), again(30 * time.Second),
	}
	for i := range 8 {
		name, until := fmt.Sprintf("key-%d", i), now.Add(30*time.Second)
		seen, want = append(seen, had(name, until)), append(want, previous(name, until))
	}
	expectDecisions(t, map[string]decisionCase{"nine keys": {observed(seen...), wanted(want...)}})
}

// A change enqueues the bindings of a key if it concerns its identity, its deletion,
// its name on the gateway, or its material while it has none. A rotation does not.
func TestKeyFacet(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*signetv1alpha1.SignatureKey)
		want   bool
	}{
		"rotation": {func(k *signetv1alpha1.SignatureKey) { k.Status.KeyID = "v2" }, false},
		"other condition": {func(k *signetv1alpha1.SignatureKey) {
			k.Status.Conditions = keyWithout("InvalidMaterial").Status.Conditions
		}, false},
		"material lost":    {func(k *signetv1alpha1.SignatureKey) { k.Status.KeyID = "" }, true},
		"created again":    {func(k *signetv1alpha1.SignatureKey) { k.UID = "second" }, true},
		"deletion":         {func(k *signetv1alpha1.SignatureKey) { k.DeletionTimestamp = &metav1.Time{Time: now} }, true},
		"protection":       {func(k *signetv1alpha1.SignatureKey) { k.Finalizers = []string{signetv1alpha1.FinalizerProtection} }, true},
		"new display name": {func(k *signetv1alpha1.SignatureKey) { k.Status.DisplayName = "other" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			key := keyWithMaterial("orders")
			changed := key.DeepCopy()
			test.change(changed)
			if got := !facetsEqual(key, changed); got != test.want {
				t.Errorf("concerns the bindings: %t, want %t", got, test.want)
			}
		})
	}
}
