// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// planCase is an observation and the whole plan that follows from it.
type planCase struct {
	observation Observation
	want        Plan
}

// anyOrder compares conditions as the map that they are.
var anyOrder = cmpopts.SortSlices(func(a, b metav1.Condition) bool { return a.Type < b.Type })

func TestCompute(t *testing.T) {
	cases := map[string]planCase{}
	for _, table := range []map[string]planCase{
		generationCases, sourceCases, conflictCases, lossCases, deletionCases, adoptionCases, ownershipCases,
		rotationCases, publicCases, protectionCases, metadataCases, repairCases(), refusalCases, leavingCases,
	} {
		for name, c := range table {
			if _, twice := cases[name]; twice {
				t.Fatalf("%q is in two tables", name)
			}
			cases[name] = c
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			before := deepCopy(c.observation)
			got, err := Compute(c.observation, testNow, &testRandom{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, anyOrder, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if !reflect.DeepEqual(before, c.observation) {
				t.Errorf("Compute has changed the observation:\n%s", cmp.Diff(before, c.observation))
			}
			again, err := Compute(c.observation, testNow, &testRandom{})
			if err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("the same observation has another plan: %v\n%s", err, cmp.Diff(got, again))
			}
			expectNoMaterial(t, c.observation, got)
			expectToSettle(t, c.observation)
		})
	}
	for name, c := range unappliedCases {
		cases["unapplied: "+name] = c
	}
	expectEveryReason(t, cases)
}

func deepCopy(o Observation) Observation {
	o.Key, o.Secret, o.Source, o.Public = o.Key.DeepCopy(), o.Secret.DeepCopy(), o.Source.DeepCopy(), o.Public.DeepCopy()
	o.Users, o.CipherKeys = append([]string(nil), o.Users...), append([]string(nil), o.CipherKeys...)
	return o
}

// expectNoMaterial checks invariant 3: what is published contains no secret
// component.
func expectNoMaterial(t *testing.T, o Observation, plan Plan) {
	t.Helper()
	text, err := json.Marshal([]any{plan.Status, plan.Events, plan.Answer})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]byte{}
	if o.Secret != nil {
		maps.Copy(values, o.Secret.Data)
	}
	if plan.Secret != nil {
		maps.Copy(values, plan.Secret.Desired.Data)
	}
	names := []string{"secret", "next.secret", "previous.secret", "salt"}
	if o.Key.Spec.Type == signetv1alpha1.KeyTypeAES {
		names = append(names, "key")
	}
	for _, name := range names {
		if value := string(values[name]); len(value) > 4 && strings.Contains(string(text), value) {
			t.Errorf("data[%s] is in %s", name, text)
		}
	}
	if o.Source != nil {
		if value := string(o.Source.Data["secret"]); len(value) > 4 && strings.Contains(string(text), value) {
			t.Errorf("data[secret] of the source is in %s", text)
		}
	}
}

// expectToSettle checks invariant 5: when the plan has been carried out, no
// write and no event follows while nothing changes.
func expectToSettle(t *testing.T, o Observation) {
	t.Helper()
	random := &testRandom{reads: 100}
	for range 4 {
		o.Releasing = false
		o.Releasing = NeedsReleasing(o)
		plan, err := Compute(o, testNow, random)
		if err != nil {
			t.Fatal(err)
		}
		idle := plan.Public == nil && plan.Secret == nil && plan.Protection == KeepProtection && len(plan.Events) == 0 &&
			equality.Semantic.DeepEqual(plan.Status, o.Key.Status)
		if idle {
			return
		}
		o = carriedOut(o, plan)
		if o.Key == nil {
			return
		}
	}
	t.Error("the key does not settle")
}

// carriedOut is what is observed after the plan; without a key if that is gone.
func carriedOut(o Observation, plan Plan) Observation {
	o = deepCopy(o)
	if plan.Public != nil {
		if plan.Public.BeforeSecret != nil {
			o.Public = plan.Public.BeforeSecret.DeepCopy()
		}
		if plan.Public.AfterSecret != nil {
			o.Public.Data = plan.Public.AfterSecret
		}
	}
	if plan.Secret != nil {
		o.Secret, o.SecretLive = plan.Secret.Desired.DeepCopy(), false
		if plan.Secret.Observed == nil {
			o.Secret.UID, plan.Status.SecretUID = createdUID, createdUID
		}
		o.Watch = material.Watch{State: plan.Secret.RotationState, FirstSeen: testNow}
	}
	if plan.ReleasePublic {
		o.Public.Finalizers = without(o.Public.Finalizers)
	}
	switch plan.Protection {
	case RestoreProtection:
		o.Key.Finalizers = append(o.Key.Finalizers, protection)
	case RemoveProtection:
		o.Key.Finalizers, o.Secret.Finalizers = without(o.Key.Finalizers), without(o.Secret.Finalizers)
	case RemoveKeyProtection:
		o.Key.Finalizers = without(o.Key.Finalizers)
	case ReleaseCollected:
		o.Secret, o.SecretLive = nil, true
	case KeepProtection:
	}
	if !o.Key.DeletionTimestamp.IsZero() && len(o.Key.Finalizers) == 0 {
		return Observation{}
	}
	o.Key.Status = plan.Status
	return o
}

func without(finalizers []string) []string {
	var left []string
	for _, finalizer := range finalizers {
		if finalizer != protection {
			left = append(left, finalizer)
		}
	}
	return left
}

func TestComputeRemovesProtectionOnlyWhileReleasing(t *testing.T) {
	for name, c := range protectionCases {
		t.Run(name, func(t *testing.T) {
			removes := c.want.Protection == RemoveProtection || c.want.Protection == RemoveKeyProtection
			o := with(c.observation, func(o *Observation) { o.Releasing = false })
			if got := NeedsReleasing(o); got != removes {
				t.Errorf("NeedsReleasing = %t", got)
			}
			if _, err := Compute(o, testNow, &testRandom{}); errors.Is(err, errNotReleasing) != removes {
				t.Errorf("Compute = %v", err)
			}
			o.Releasing = true
			if NeedsReleasing(o) {
				t.Error("a key that is Releasing needs it again")
			}
		})
	}
}

type liveReadCase struct {
	observation    Observation
	secret, public bool
}

// liveReadCases are observations, and the live reads that their plans rely on.
func liveReadCases() map[string]liveReadCase {
	set := pairSet()
	public := gen.WithType(signetv1alpha1.KeyTypePublicKey)
	bound := Observation{Key: readyKey(testSet(), gen.WithFinalizers(protection)), Users: []string{"shop"}, HasHolder: true}
	return map[string]liveReadCase{
		"a new key":                                              {observation: Observation{Key: testKey()}},
		"a new key whose name is taken":                          {observation: Observation{Key: testKey(), NameTaken: true}, secret: true},
		"a new key, read live":                                   {observation: Observation{Key: testKey(), SecretLive: true, NameTaken: true}},
		"a Secret in the cache":                                  {observation: Observation{Key: testKey(), Secret: testSecret(testKey(), testSet())}},
		"an unbound key without its Secret":                      {observation: Observation{Key: readyKey(testSet())}, secret: true},
		"a Secret on record":                                     {observation: Observation{Key: readyKey(testSet()), Secret: testSecret(testKey(), testSet())}},
		"a Secret that is not on record":                         {observation: Observation{Key: readyKey(testSet()), Secret: testSecret(testKey(), testSet(), gen.WithUID("other"))}, secret: true},
		"another, and the one on record gone":                    {observation: Observation{Key: readyKey(testSet()), GoneUID: secretUID, Secret: testSecret(testKey(), testSet(), gen.WithUID("other"))}},
		"another, and an older record gone":                      {observation: Observation{Key: readyKey(testSet()), GoneUID: "older", Secret: testSecret(testKey(), testSet(), gen.WithUID("other"))}, secret: true},
		"a key with a record in a terminating namespace":         {observation: Observation{Key: readyKey(testSet()), NamespaceTerminating: true}, secret: true},
		"a deleted key with a record in a terminating namespace": {observation: Observation{Key: readyKey(testSet(), gen.WithFinalizers("other"), gen.DeletedAt(testNow)), NamespaceTerminating: true}, secret: true},
		"a terminating namespace in which it was read":           {observation: Observation{Key: readyKey(testSet()), NamespaceTerminating: true, Answer: LiveAnswer{Readiness: namespaceTerminating()}}},
		"a bound key without its Secret":                         {observation: bound, secret: true},
		"a key that waits for its source":                        {observation: Observation{Key: testKey(gen.WithSource("own"))}},
		"a bound key that also lacks it":                         {observation: with(bound, func(o *Observation) { gen.WithSource("own")(o.Key) }), secret: true},
		"an invalid key":                                         {observation: Observation{Key: testKey(gen.WithIdentifier("no good?"))}},
		"a key of a type that is not enabled":                    {observation: Observation{Key: testKey(public)}},
		"a key of a terminating namespace":                       {observation: Observation{Key: testKey(), NamespaceTerminating: true}},
		"a key without users that is deleted":                    {observation: Observation{Key: testKey(gen.WithFinalizers("other"), gen.DeletedAt(testNow))}},
		"a key that another Secret blocks":                       {observation: Observation{Key: testKey(), Answer: blockedAnswer()}},
		"a loss that is remembered":                              {observation: with(bound, func(o *Observation) { o.Answer = lostAnswer() })},
		"a loss with consent": {observation: with(bound, func(o *Observation) {
			gen.WithTrigger("again")(o.Key)
			withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, "lost"))(o.Key)
		}), secret: true},
		"a new PublicKey key": {observation: Observation{Key: testKey(public), PublicKeyEnabled: true, SecretLive: true}},
		"a new PublicKey key whose name is taken": {
			observation: Observation{Key: testKey(public), PublicKeyEnabled: true, SecretLive: true, NameTaken: true}, public: true,
		},
		"a PublicKey key without its ConfigMap": {
			observation: Observation{Key: readyKey(set, public), PublicKeyEnabled: true, Secret: testSecret(testKey(public), set)}, public: true,
		},
		"a PublicKey key with its ConfigMap": {
			observation: Observation{Key: testKey(public), PublicKeyEnabled: true, Secret: testSecret(testKey(public), set), Public: publicOf(set)},
		},
		"a PublicKey key that another ConfigMap blocks": {
			observation: Observation{Key: testKey(public), PublicKeyEnabled: true, Secret: testSecret(testKey(public), set), Answer: blockedAnswer()},
		},
	}
}

func TestComputeNeedsLiveReads(t *testing.T) {
	for name, c := range liveReadCases() {
		t.Run(name, func(t *testing.T) {
			if got := NeedsLiveSecret(c.observation); got != c.secret {
				t.Errorf("NeedsLiveSecret = %t", got)
			}
			if got := NeedsLivePublic(c.observation); got != c.public {
				t.Errorf("NeedsLivePublic = %t", got)
			}
			var want error
			switch {
			case c.secret:
				want = errSecretNotReadLive
			case c.public:
				want = errPublicNotReadLive
			}
			if c.observation.NamespaceTerminating {
				want = nil // the plan does not rely on it
			}
			if _, err := Compute(c.observation, testNow, &testRandom{}); !errors.Is(err, want) {
				t.Errorf("Compute = %v, want %v", err, want)
			}
		})
	}
}

func TestComputeNeedsLiveKey(t *testing.T) {
	of := func(key *signetv1alpha1.SignatureKey, set *material.Set, options ...gen.SecretOption) Observation {
		return Observation{Key: key, Secret: testSecret(testKey(), set, options...)}
	}
	lost := withStatus(stalled(earlier, signetv1alpha1.ReasonSecretLost, unusable), recording(activeSet))
	for name, c := range map[string]struct {
		observation Observation
		want        bool
	}{
		"a Secret on record": {of(readyKey(activeSet), activeSet), false},
		"no Secret":          {Observation{Key: readyKey(activeSet)}, false},
		"a Secret of an earlier key that is not on record": {of(testKey(), activeSet, collected), false},
		"another UID of the key owns it":                   {of(readyKey(activeSet), activeSet, collected), true},
		"another object owns it":                           {of(readyKey(activeSet), activeSet, controlled), true},
		"no object owns it":                                {of(readyKey(activeSet), activeSet, retained), true},
		"no object is to own it":                           {of(readyKey(activeSet, gen.WithDeletionPolicy(signetv1alpha1.DeletionPolicyRetain)), activeSet, retained), false},
		"another trigger was acted upon":                   {of(readyKey(activeSet), testSet(noting("of another key", ""))), true},
		"another revoke trigger was acted upon":            {of(readyKey(activeSet), testSet(noting("", "of another key"))), true},
		"a new trigger":                                    {of(readyKey(activeSet, gen.WithTrigger("again")), activeSet), false},
		"a Secret that is to be adopted":                   {of(testKey(), testSet(noting("old", ""))), false},
		"a loss, with the trigger on record":               {of(testKey(lost), activeSet, brokenBytes), false},
	} {
		if got := NeedsLiveKey(c.observation); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// with returns a changed copy of an observation.
func with(o Observation, change func(*Observation)) Observation {
	o = deepCopy(o)
	change(&o)
	return o
}

// Randomness that fails is an error: nothing is written that it should have
// made.
func TestComputeReportsFailingRandomness(t *testing.T) {
	failure := errors.New("no randomness")
	set := testSet()
	for name, o := range map[string]Observation{
		"new material":   {Key: testKey(), SecretLive: true},
		"a rotation":     {Key: readyKey(set, gen.WithTrigger("again")), Secret: testSecret(testKey(), set)},
		"modified bytes": {Key: readyKey(set), Secret: testSecret(testKey(), set, modified)},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := Compute(o, testNow, failingRandom{failure})
			if !errors.Is(err, failure) || !cmp.Equal(plan, Plan{}) {
				t.Errorf("Compute = %v, %v", plan, err)
			}
		})
	}
}

type failingRandom struct{ err error }

func (r failingRandom) Read([]byte) (int, error) { return 0, r.err }
