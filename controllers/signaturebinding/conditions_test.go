// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// Every reason of Ready that depends on the key or the spec. Those that depend on
// the APIs are in TestStatesOfAnAPI.
func TestReadyReasonsOfKeyAndSpec(t *testing.T) {
	terminating := func(options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
		return gen.SignatureKey("orders", append([]gen.KeyOption{gen.WithKeyID("v1"), gen.DeletedAt(before.Add(-time.Minute))}, options...)...)
	}
	pending := entry(kindAPI, signetv1alpha1.APIPending, message("not held; waiting for the key"))
	const keyTerminating = `SignatureKey "orders" is being deleted and accepts no new bindings. Set spec.keyRef.name to another key.`
	expectDecisions(t, map[string]decisionCase{
		"KeyNotFound": {
			observed(withKey(nil), withAPI("a", mine)),
			wanted(withoutKey, pending, waiting("KeyNotFound", `SignatureKey "orders" does not exist in this namespace. Create it or fix spec.keyRef.name.`)),
		},
		"KeyNotReady: the key has reported nothing": {
			observed(withKey(keyWithout("")), withAPI("a", mine)),
			wanted(withoutKey, pending, waiting("KeyNotReady", `SignatureKey "orders" has no material yet (KeyNotReady). See its status.`)),
		},
		"KeyNotReady: the key waits itself": {
			observed(withKey(keyWithout("SourceNotFound")), withAPI("a", mine)),
			wanted(withoutKey, pending, waiting("KeyNotReady", `SignatureKey "orders" has no material yet (SourceNotFound). See its status.`)),
		},
		"SecretLost": {
			observed(withKey(keyWithout("SecretLost")), withAPI("a", mine)),
			wanted(withoutKey, pending, stalled("SecretLost", `The Secret of SignatureKey "orders" is lost. See its status.`)),
		},
		"TypeNotEnabled": {
			observed(withKey(keyWithout("TypeNotEnabled")), withAPI("a", mine)),
			wanted(withoutKey, pending, stalled("TypeNotEnabled", `The type of SignatureKey "orders" is not enabled, and the key has no material. See its status.`)),
		},
		"KeyTerminating: created after the deletion": {
			observed(withKey(terminating(gen.WithFinalizers(signetv1alpha1.FinalizerProtection))), withAPI("a", late)),
			wanted(withoutKey, entry(kindAPI, signetv1alpha1.APIPending, message("the key is being deleted; set spec.keyRef to another key")),
				stalled("KeyTerminating", keyTerminating)),
		},
		"KeyTerminating: the key can no longer be protected": {
			observed(withKey(terminating()), withAPI("a", mine), func(seen *observation) {
				seen.binding.CreationTimestamp = *terminating().DeletionTimestamp
			}),
			wanted(withoutKey, pending, stalled("KeyTerminating", keyTerminating)),
		},
		"Bound: a protected key that is being deleted keeps signing": {
			observed(withKey(terminating(gen.WithFinalizers(signetv1alpha1.FinalizerProtection))), withAPI("a", heldMine, recorded(nil)),
				withStatus(func(s *signetv1alpha1.SignatureBindingStatus) { s.KeyName = "orders" })),
			wanted(entry(kindAPI, signetv1alpha1.APIBound, boundAt(before)), ready("Bound", boundMessage),
				func(d *decision) { d.status.DisplayName = "" }),
		},
		"InvalidSpec": {
			observed(withAPI("a", mine), func(seen *observation) { seen.binding.Spec.Environment = "x" }),
			wanted(func(d *decision) { d.status.Environment = "x" }, entry(kindAPI, signetv1alpha1.APIBound, boundAt(now)),
				stalled("InvalidSpec", "Invalid spec: spec.environment must have at least 3 characters."), grants, invalid),
		},
		"no API": {
			observed(),
			wanted(stalled("InvalidSpec", "Invalid spec: spec.apis must list at least one API."), invalid),
		},
	})
}

// The worst state wins: an invalid spec, a conflict, the key, a wait for other
// bindings, a route that was never published, one that is offline, Standby.
func TestWorstStateIsReported(t *testing.T) {
	conflict := withAPI("conflicted", taken)
	waits := withAPI("pending", blocked)
	unpublished := withRoute("unpublished", heldMine, neverPublished, recorded(nil))
	gone := withRoute("offline", heldMine, offline, recorded(ptr.To[int32](1)))
	spare := withAPI("spare", standby(&signetv1alpha1.APIStatus{BoundAt: &metav1.Time{Time: before}}))
	bound := withAPI("bound", heldMine, recorded(nil))
	broken := func(seen *observation) { seen.binding.Spec.SignedHeaders = []string{"Host"} }
	for name, test := range map[string]struct {
		options []func(*observation)
		want    string
	}{
		"invalid spec":      {[]func(*observation){broken, conflict, withKey(nil), waits, unpublished, gone, spare, bound}, "InvalidSpec"},
		"conflict":          {[]func(*observation){conflict, withKey(nil), waits, unpublished, gone, spare, bound}, "Conflicted"},
		"key":               {[]func(*observation){withKey(nil), waits, unpublished, gone, spare, bound}, "KeyNotFound"},
		"other bindings":    {[]func(*observation){waits, unpublished, gone, spare, bound}, "KeyNotReady"},
		"never published":   {[]func(*observation){unpublished, gone, spare, bound}, "NotPublished"},
		"offline":           {[]func(*observation){gone, spare, bound}, "PartlyOffline"},
		"on Standby":        {[]func(*observation){spare, bound}, "Standby"},
		"all APIs are held": {[]func(*observation){bound}, "Bound"},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(observed(test.options...)).status.Conditions[0]
			if got.Type != signetv1alpha1.ConditionReady || got.Reason != test.want {
				t.Errorf("%s = %s, want Ready = %s: %s", got.Type, got.Reason, test.want, got.Message)
			}
		})
	}
}

// A wait becomes Stalled after five minutes of one generation, and begins again if
// its cause changes.
func TestWaitStalls(t *testing.T) {
	waited := func(since time.Duration, status metav1.ConditionStatus, reason string, generation int64) func(*observation) {
		return withStatus(func(s *signetv1alpha1.SignatureBindingStatus) {
			s.Conditions = []metav1.Condition{{
				Type: signetv1alpha1.ConditionReady, Status: status, Reason: reason,
				ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Add(-since)),
			}}
		})
	}
	for name, test := range map[string]struct {
		before func(*observation)
		want   metav1.ConditionStatus
		again  time.Duration
	}{
		"waits for two minutes":            {waited(2*time.Minute, metav1.ConditionUnknown, "KeyNotFound", 2), metav1.ConditionUnknown, 3 * time.Minute},
		"waits for five minutes":           {waited(5*time.Minute, metav1.ConditionUnknown, "KeyNotFound", 2), metav1.ConditionFalse, 0},
		"has stalled":                      {waited(time.Hour, metav1.ConditionFalse, "KeyNotFound", 2), metav1.ConditionFalse, 0},
		"has stalled for another reason":   {waited(time.Hour, metav1.ConditionFalse, "Conflicted", 2), metav1.ConditionUnknown, 5 * time.Minute},
		"has stalled before a spec change": {waited(time.Hour, metav1.ConditionFalse, "KeyNotFound", 1), metav1.ConditionUnknown, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			got := decide(observed(withKey(nil), withAPI("a", mine), test.before))
			if status := got.status.Conditions[0].Status; status != test.want || got.requeueAfter != test.again {
				t.Errorf("Ready = %s, again after %s; want %s after %s", status, got.requeueAfter, test.want, test.again)
			}
		})
	}
}

func TestMessagesNameThreeAPIs(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	seen := observed()
	for i, name := range names {
		next := []string{"", "x", "y", "x", ""}[i]
		withAPI(name, slots.Evaluation{Holder: "other", Eligible: true, NextInLine: next})(seen)
	}
	const want = `5 of 5 APIs are held by other bindings in environment "RELEASE": API "a" by SignatureBinding "other", ` +
		`API "b" by SignatureBinding "other", API "c" by SignatureBinding "other" and 2 more. ` +
		"Delete the API from one of the two; this binding then takes over automatically. " +
		`SignatureBindings "x", "y" are next in line and sign differently.`
	if got := decide(seen).status.Conditions[0].Message; got != want {
		t.Errorf("message %s\nwant %s", got, want)
	}
}
