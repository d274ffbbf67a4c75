// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// now is the time of the decision, and before an earlier one.
var (
	now    = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	before = now.Add(-time.Hour)
)

// decisionCase is an observation and the decision that it leads to.
type decisionCase struct {
	seen *observation
	want decision
}

// observed builds the observation of a binding of generation 2 whose key has
// material. Each API that the binding lists is this binding's to hold until an
// option changes that.
func observed(options ...func(*observation)) *observation {
	binding := gen.SignatureBinding("orders", "orders", gen.InNamespace("shop"), gen.WithGeneration(2), gen.CreatedAt(before))
	seen := &observation{binding: binding, now: now, key: keyWithMaterial("orders")}
	for _, option := range options {
		option(seen)
	}
	return seen
}

func keyWithMaterial(name string) *signetv1alpha1.SignatureKey {
	key := gen.SignatureKey(name, gen.InNamespace("shop"), gen.WithKeyID("v1"))
	key.Status.DisplayName = name + "_signature"
	return key
}

// keyWithout builds a key without material that is not Ready for this reason.
func keyWithout(reason string) *signetv1alpha1.SignatureKey {
	key := gen.SignatureKey("orders", gen.InNamespace("shop"))
	if reason != "" {
		key.Status.Conditions = []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason}}
	}
	return key
}

// withKey replaces the key that the binding names.
func withKey(key *signetv1alpha1.SignatureKey) func(*observation) {
	return func(seen *observation) { seen.key = key }
}

// withAPI adds an API of kind API and what was observed about it.
func withAPI(name string, evaluation slots.Evaluation, options ...func(*apiObservation)) func(*observation) {
	return addAPI(signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, name), evaluation, options)
}

// withRoute adds an HTTPRoute with that publication.
func withRoute(name string, evaluation slots.Evaluation, published publication.State, options ...func(*apiObservation)) func(*observation) {
	options = append([]func(*apiObservation){func(seen *apiObservation) { seen.publication = published }}, options...)
	return addAPI(signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, name), evaluation, options)
}

func addAPI(api signetv1alpha1.APIReference, evaluation slots.Evaluation, options []func(*apiObservation)) func(*observation) {
	return func(seen *observation) {
		added := apiObservation{api: api, evaluation: evaluation, publication: publication.State{Published: true}}
		for _, option := range options {
			option(&added)
		}
		seen.apis = append(seen.apis, added)
		seen.binding.Spec.APIs = append(seen.binding.Spec.APIs, api)
	}
}

// recorded sets the entry of the acknowledged status: held since before, with that
// number of Gateways.
func recorded(gateways *int32) func(*apiObservation) {
	return func(seen *apiObservation) {
		seen.recorded = &signetv1alpha1.APIStatus{
			Group: seen.api.Group, Kind: seen.api.Kind, Name: seen.api.Name, State: signetv1alpha1.APIBound,
			BoundAt: &metav1.Time{Time: before}, Gateways: gateways,
		}
	}
}

// withStatus changes the acknowledged status of the binding.
func withStatus(change func(*signetv1alpha1.SignatureBindingStatus)) func(*observation) {
	return func(seen *observation) { change(&seen.binding.Status) }
}

// The positions of the binding in a slot.
var (
	mine     = slots.Evaluation{Holder: "orders", Eligible: true}
	heldMine = slots.Evaluation{Holder: "orders", Eligible: true, HeldSince: before}
	blocked  = slots.Evaluation{Holder: "orders", Eligible: true, Blocked: true}
	taken    = slots.Evaluation{Holder: "other", Eligible: true, RecordedHolder: "other"}
	late     = slots.Evaluation{Holder: "other", RecordedHolder: "other"}
)

// standby is the position behind a holder that signs identically. The holder's
// status is nil while it does not hold the slot yet.
func standby(holder *signetv1alpha1.APIStatus) slots.Evaluation {
	return slots.Evaluation{Holder: "other", Eligible: true, Standby: true, HolderStatus: holder}
}

// The publication of a route.
var (
	publishedBy2   = publication.State{Gateways: ptr.To[int32](2), Published: true}
	offline        = publication.State{Gateways: ptr.To[int32](0)}
	neverPublished = publication.State{}
)

// wanted builds the decision for a binding with the effective key orders. options
// add what the row is about.
func wanted(options ...func(*decision)) decision {
	d := decision{status: signetv1alpha1.SignatureBindingStatus{
		ObservedGeneration: 2, Environment: "RELEASE", KeyName: "orders", DisplayName: "orders_signature",
		APIs: []signetv1alpha1.APIStatus{},
	}}
	for _, option := range options {
		option(&d)
	}
	return d
}

// entry adds the entry of status.apis for the API a, and counts it.
func entry(kind signetv1alpha1.APIKind, state signetv1alpha1.APIState, change ...func(*signetv1alpha1.APIStatus)) func(*decision) {
	return func(d *decision) {
		apiStatus := signetv1alpha1.APIStatus{Group: kind.Group(), Kind: kind, Name: "a", State: state}
		for _, c := range change {
			c(&apiStatus)
		}
		d.status.APIs = append(d.status.APIs, apiStatus)
		d.status.TotalAPIs++
		if state == signetv1alpha1.APIBound {
			d.status.BoundAPIs++
		}
	}
}

func boundAt(at time.Time) func(*signetv1alpha1.APIStatus) {
	return func(s *signetv1alpha1.APIStatus) { s.BoundAt = &metav1.Time{Time: at} }
}

func gateways(n int32) func(*signetv1alpha1.APIStatus) {
	return func(s *signetv1alpha1.APIStatus) { s.Gateways = &n }
}

func heldByOther(s *signetv1alpha1.APIStatus) { s.Holder = "other" }

func message(text string) func(*signetv1alpha1.APIStatus) {
	return func(s *signetv1alpha1.APIStatus) { s.Message = text }
}

// condition adds a condition that changed at the time of the decision.
func condition(conditionType string, status metav1.ConditionStatus, reason, text string) func(*decision) {
	return func(d *decision) {
		d.status.Conditions = append(d.status.Conditions, metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, Message: text,
			ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(now),
		})
	}
}

func ready(reason, text string) func(*decision) {
	return condition(signetv1alpha1.ConditionReady, metav1.ConditionTrue, reason, text)
}

// waiting adds Ready=Unknown, which stalls after five minutes.
func waiting(reason, text string) func(*decision) {
	return func(d *decision) {
		condition(signetv1alpha1.ConditionReady, metav1.ConditionUnknown, reason, text)(d)
		d.requeueAfter = 5 * time.Minute
	}
}

// stalled adds Ready=False and Stalled=True.
func stalled(reason, text string) func(*decision) {
	return func(d *decision) {
		condition(signetv1alpha1.ConditionReady, metav1.ConditionFalse, reason, text)(d)
		condition(signetv1alpha1.ConditionStalled, metav1.ConditionTrue, reason, text)(d)
	}
}

func grants(d *decision)     { d.grants = true }
func invalid(d *decision)    { d.invalid = true }
func withoutKey(d *decision) { d.status.KeyName, d.status.DisplayName = "", "" }

// isBlocked is a decision that other bindings keep from a grant.
func isBlocked(d *decision) { d.blocked = true }

func expectDecisions(t *testing.T, cases map[string]decisionCase) {
	t.Helper()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			untouched := test.seen.binding.DeepCopy()
			got := decide(test.seen)
			if diff := cmp.Diff(test.want, *got, cmp.AllowUnexported(decision{})); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(untouched, test.seen.binding); diff != "" {
				t.Errorf("the decision changed the observed binding (-before +after):\n%s", diff)
			}
			for _, api := range got.status.APIs {
				if len(api.Message) > 128 {
					t.Errorf("message of %d characters: %s", len(api.Message), api.Message)
				}
			}
		})
	}
}

func TestDecisionIsDeterministic(t *testing.T) {
	seen := observed(withAPI("a", mine), withRoute("b", heldMine, publishedBy2, recorded(nil)), withAPI("c", taken))
	if diff := cmp.Diff(decide(seen), decide(seen), cmp.AllowUnexported(decision{})); diff != "" {
		t.Errorf("two decisions on one observation (-first +second):\n%s", diff)
	}
}

// A binding that is being deleted holds nothing, even if the finalizer of another
// client keeps the object; the rest of its status stays.
func TestBindingThatIsBeingDeletedReleasesAll(t *testing.T) {
	binding := gen.SignatureBinding("orders", "orders", gen.WithAPIs("a", "b"), gen.Holding(before), gen.DeletedAt(now))
	binding.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: "old"}}
	want := decision{status: *binding.Status.DeepCopy()}
	want.status.APIs, want.status.BoundAPIs = nil, 0
	if diff := cmp.Diff(want, *releaseAll(binding), cmp.AllowUnexported(decision{})); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
	if len(binding.Status.APIs) != 2 {
		t.Error("releaseAll changed the binding")
	}
}

// With 1,000 APIs and names of full length, no message outgrows the limits of the
// schema.
func TestMessagesOfManyAPIsStayShort(t *testing.T) {
	label := strings.Repeat("n", 61) + "."
	long := label + label + label + strings.Repeat("n", 63) // 249 characters, with the number 253
	seen := observed()
	for i := range 1000 {
		next := slots.Evaluation{Holder: long, Eligible: true, NextInLine: fmt.Sprintf("%03d.%s", i, long)}
		withRoute(fmt.Sprintf("%03d.%s", i, long), next, neverPublished)(seen)
	}
	got := decide(seen)
	for _, condition := range got.status.Conditions {
		if len(condition.Message) > 32768 {
			t.Errorf("%s has a message of %d characters", condition.Type, len(condition.Message))
		}
	}
	if got.invalid || got.status.TotalAPIs != 1000 || len(got.status.APIs) != 1000 {
		t.Errorf("status lists %d of %d APIs: %s", len(got.status.APIs), got.status.TotalAPIs, got.status.Conditions[0].Message)
	}
}
