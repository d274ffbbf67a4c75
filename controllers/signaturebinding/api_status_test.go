// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
)

const (
	kindAPI   = signetv1alpha1.APIKindAPI
	kindRoute = signetv1alpha1.APIKindHTTPRoute
)

const (
	boundMessage   = `SignatureKey "orders" signs for all 1 APIs.`
	standbyMessage = `SignatureKey "orders" signs for all 1 APIs, 1 of which other bindings hold: API "a" by SignatureBinding "other". ` +
		"This binding takes over when they release them. Delete the binding that is not needed."
)

// The acknowledged status of a holder.
var (
	held      = &signetv1alpha1.APIStatus{State: signetv1alpha1.APIBound, BoundAt: &metav1.Time{Time: before}}
	heldRoute = &signetv1alpha1.APIStatus{State: signetv1alpha1.APIBound, BoundAt: &metav1.Time{Time: before}, Gateways: ptr.To[int32](2)}
)

// releasing is the position of the next holder while another binding releases the
// slot.
func releasing(alike bool) slots.Evaluation {
	evaluation := blocked
	evaluation.RecordedHolder, evaluation.RecordedHolderAlike = "other", alike
	return evaluation
}

// Every state of an API, and each way to get there.
func TestStatesOfAnAPI(t *testing.T) {
	for _, cases := range []map[string]decisionCase{heldCases, pendingCases, standbyCases, conflictedCases} {
		expectDecisions(t, cases)
	}
}

// heldCases end in a state in which the binding holds the API and signs for it.
var heldCases = map[string]decisionCase{
	"Bound: granted now": {
		observed(withAPI("a", mine)),
		wanted(entry(kindAPI, signetv1alpha1.APIBound, boundAt(now)), ready("Bound", boundMessage), grants),
	},
	"Bound: held before": {
		observed(withAPI("a", heldMine, recorded(nil))),
		wanted(entry(kindAPI, signetv1alpha1.APIBound, boundAt(before)), ready("Bound", boundMessage)),
	},
	"Bound: held before, in another environment": {
		observed(withAPI("a", heldMine)), // nothing is recorded for this environment
		wanted(entry(kindAPI, signetv1alpha1.APIBound, boundAt(now)), ready("Bound", boundMessage), grants),
	},
	"Bound: granted a published route": {
		observed(withRoute("a", mine, publishedBy2)),
		wanted(entry(kindRoute, signetv1alpha1.APIBound, boundAt(now), gateways(2)), ready("Bound", boundMessage), grants),
	},
	"Bound: the number of Gateways changed": {
		observed(withRoute("a", heldMine, publishedBy2, recorded(ptr.To[int32](1)))),
		wanted(entry(kindRoute, signetv1alpha1.APIBound, boundAt(before), gateways(2)), ready("Bound", boundMessage)),
	},
	"NotPublished": {
		observed(withRoute("a", mine, neverPublished)),
		wanted(entry(kindRoute, signetv1alpha1.APINotPublished, boundAt(now), message("no Gateway of the environment has accepted the route yet")),
			waiting("NotPublished", `1 of 1 APIs were never published in environment "RELEASE": HTTPRoute "a". The key signs for them already. `+
				"Attach each to a Gateway that has the label signet.dev/environment: RELEASE and accepts it."), grants),
	},
	"Offline": {
		observed(withRoute("a", heldMine, offline, recorded(ptr.To[int32](2)))),
		wanted(entry(kindRoute, signetv1alpha1.APIOffline, boundAt(before), gateways(0), message("no longer served by a Gateway of the environment")),
			ready("PartlyOffline", `1 of 1 APIs are offline in environment "RELEASE": HTTPRoute "a". They keep their key and are Bound again when a Gateway serves them.`)),
	},
}

var pendingCases = map[string]decisionCase{
	"Pending: not held, the key has no material": {
		observed(withKey(keyWithout("")), withAPI("a", mine)),
		wanted(withoutKey, entry(kindAPI, signetv1alpha1.APIPending, message("not held; waiting for the key")),
			waiting("KeyNotReady", `SignatureKey "orders" has no material yet (KeyNotReady). See its status.`)),
	},
	"Pending: held, the key has lost its material": {
		observed(withKey(keyWithout("SecretLost")), withRoute("a", heldMine, publishedBy2, recorded(ptr.To[int32](1))),
			withStatus(func(s *signetv1alpha1.SignatureBindingStatus) {
				s.KeyName, s.DisplayName = "orders", "orders_signature"
			})),
		wanted(entry(kindRoute, signetv1alpha1.APIPending, boundAt(before), gateways(1), message("held, but the key has no material")),
			stalled("SecretLost", `The Secret of SignatureKey "orders" is lost. See its status.`)),
	},
	"Pending: another binding must be written first": {
		observed(withAPI("a", blocked)),
		wanted(entry(kindAPI, signetv1alpha1.APIPending, message("waiting for another binding's status update")),
			waiting("KeyNotReady", "Waiting for other bindings to acknowledge that they do not hold 1 of 1 APIs. This resolves without action."), isBlocked),
	},
	"Pending: the binding was created after the key's deletion": {
		observed(withAPI("a", late)),
		wanted(entry(kindAPI, signetv1alpha1.APIPending, message("the key is being deleted; set spec.keyRef to another key")),
			waiting("KeyNotReady", "Waiting for other bindings to acknowledge that they do not hold 1 of 1 APIs. This resolves without action.")),
	},
}

var standbyCases = map[string]decisionCase{
	"Standby": {
		observed(withAPI("a", standby(held))),
		wanted(entry(kindAPI, signetv1alpha1.APIStandby, heldByOther, message("the holder signs identically; this binding takes over when the holder releases the API")),
			ready("Standby", standbyMessage)),
	},
	"Standby: the holder does not hold the slot yet": {
		observed(withAPI("a", standby(nil))),
		wanted(entry(kindAPI, signetv1alpha1.APIStandby, heldByOther, message("the holder signs identically; this binding takes over when the holder releases the API")),
			waiting("KeyNotReady", "Waiting for other bindings to acknowledge that they do not hold 1 of 1 APIs. This resolves without action.")),
	},
	"Standby: the route was never published": {
		observed(withRoute("a", standby(held), neverPublished)),
		wanted(entry(kindRoute, signetv1alpha1.APIStandby, heldByOther, message("the holder signs identically; this binding takes over when the holder releases the API")),
			waiting("NotPublished", `1 of 1 APIs were never published in environment "RELEASE": HTTPRoute "a". The key signs for them already. `+
				"Attach each to a Gateway that has the label signet.dev/environment: RELEASE and accepts it.")),
	},
	"Standby: the route is offline": {
		observed(withRoute("a", standby(heldRoute), offline)),
		wanted(entry(kindRoute, signetv1alpha1.APIStandby, heldByOther, message("the holder signs identically; this binding takes over when the holder releases the API")),
			ready("Standby", `SignatureKey "orders" signs for all 1 APIs, 1 of which other bindings hold: HTTPRoute "a" by SignatureBinding "other". `+
				"This binding takes over when they release them. Delete the binding that is not needed.")),
	},
	"Standby: an identical holder releases it": {
		observed(withAPI("a", releasing(true))),
		wanted(entry(kindAPI, signetv1alpha1.APIStandby, heldByOther, message("about to be released by its holder")), ready("Standby", standbyMessage), isBlocked),
	},
}

var conflictedCases = map[string]decisionCase{
	"Conflicted": {
		observed(withAPI("a", taken)),
		wanted(entry(kindAPI, signetv1alpha1.APIConflicted, heldByOther, message("held by another binding; delete the API from one of the two")),
			stalled("Conflicted", `1 of 1 APIs are held by other bindings in environment "RELEASE": API "a" by SignatureBinding "other". `+
				"Delete the API from one of the two; this binding then takes over automatically.")),
	},
	"Conflicted: the next in line signs differently": {
		observed(withAPI("a", slots.Evaluation{Holder: "other", Eligible: true, NextInLine: "third"})),
		wanted(entry(kindAPI, signetv1alpha1.APIConflicted, heldByOther, message("the holder signs identically, but the next claimant in line does not")),
			stalled("Conflicted", `1 of 1 APIs are held by other bindings in environment "RELEASE": API "a" by SignatureBinding "other". `+
				`Delete the API from one of the two; this binding then takes over automatically. SignatureBinding "third" is next in line and signs differently.`)),
	},
	"Conflicted: another holder releases it": {
		observed(withAPI("a", releasing(false))),
		wanted(entry(kindAPI, signetv1alpha1.APIConflicted, heldByOther, message("about to be released by its holder")),
			stalled("Conflicted", `1 of 1 APIs are held by other bindings in environment "RELEASE": API "a" by SignatureBinding "other". `+
				"Delete the API from one of the two; this binding then takes over automatically."), isBlocked),
	},
}

// A rewrite is reported for the routes that the binding holds and signs for.
func TestPathRewritten(t *testing.T) {
	rewrites := func(seen *apiObservation) {
		seen.rewrites = []publication.Rewrite{{Field: "spec.rules[0].filters[0]", Path: true}, {Field: "spec.rules[1].filters[0]", Host: true}}
	}
	const text = `Routes rewrite requests: HTTPRoute "a": spec.rules[0].filters[0] rewrites the path, HTTPRoute "a": spec.rules[1].filters[0] rewrites the host. ` +
		"Sign after the rewrite, because the backend verifies the request that it receives."
	expectDecisions(t, map[string]decisionCase{
		"a route that rewrites": {
			observed(withRoute("a", heldMine, publishedBy2, recorded(nil), rewrites)),
			wanted(entry(kindRoute, signetv1alpha1.APIBound, boundAt(before), gateways(2)), ready("Bound", boundMessage),
				condition("PathRewritten", metav1.ConditionTrue, "PathRewritten", text)),
		},
		"no rewrite any longer": {
			observed(withRoute("a", heldMine, publishedBy2, recorded(nil)), withStatus(func(s *signetv1alpha1.SignatureBindingStatus) {
				s.Conditions = []metav1.Condition{{Type: "PathRewritten", Status: metav1.ConditionTrue, Reason: "PathRewritten"}}
			})),
			wanted(entry(kindRoute, signetv1alpha1.APIBound, boundAt(before), gateways(2)), ready("Bound", boundMessage)),
		},
		"a key without material signs nothing": {
			observed(withKey(nil), withRoute("a", heldMine, publishedBy2, recorded(nil), rewrites)),
			wanted(withoutKey, entry(kindRoute, signetv1alpha1.APIPending, boundAt(before), message("held, but the key has no material")),
				waiting("KeyNotFound", `SignatureKey "orders" does not exist in this namespace. Create it or fix spec.keyRef.name.`)),
		},
	})
}
