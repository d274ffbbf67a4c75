// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// A binding on standby waits, and nothing is in the way of signing.
func TestExplainStandby(t *testing.T) {
	api := view.API{APIReference: signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders"), Namespace: "shop"}
	bound := func(name string, state signetv1alpha1.APIState) signetv1alpha1.SignatureBinding {
		binding := signetv1alpha1.SignatureBinding{}
		binding.Name, binding.Spec.Environment, binding.Status.Environment = name, "RELEASE", "RELEASE"
		binding.Spec.KeyRef.Name, binding.Status.KeyName = "orders", "orders"
		binding.Spec.APIs = []signetv1alpha1.APIReference{api.APIReference}
		binding.Status.APIs = []signetv1alpha1.APIStatus{{Group: api.Kind.Group(), Kind: api.Kind, Name: api.Name, State: state}}
		return binding
	}
	key := readyKey("orders")
	for name, tc := range map[string]struct {
		state signetv1alpha1.APIState
		why   []string
	}{
		"standby":    {signetv1alpha1.APIStandby, []string{}},
		"conflicted": {signetv1alpha1.APIConflicted, []string{"binding \"renamed\" is Conflicted (NotSeen)"}},
	} {
		t.Run(name, func(t *testing.T) {
			bindings := []signetv1alpha1.SignatureBinding{bound("orders", signetv1alpha1.APIBound), bound("renamed", tc.state)}
			explanation, err := view.Explain(api, "", bindings, []signetv1alpha1.SignatureKey{key})
			if err != nil {
				t.Fatal(err)
			}
			explained := explanation.Signed
			if len(explained) != 1 || explained[0].Binding != "orders" {
				t.Fatalf("got %+v", explained)
			}
			if diff := cmp.Diff([]string{"renamed"}, explained[0].Waiting); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.why, explained[0].Why); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a binding waits for is named with its reason, whether it holds the API or not,
// and even if a worse state of another API hides it in the condition.
func TestExplainNamesTheKeyThatABindingWaitsFor(t *testing.T) {
	const missing = `SignatureKey "new" does not exist in this namespace. Create it or fix spec.keyRef.name.`
	notReady := signetv1alpha1.SignatureKey{}
	notReady.Name = "new"
	notReady.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "Unknown", Reason: "SourceNotFound", Message: `Secret "a" does not exist.`}}
	for name, tc := range map[string]struct {
		state           signetv1alpha1.APIState
		before          string
		reason, message string
		keys            []signetv1alpha1.SignatureKey
		want            []string
	}{
		"never bound, key missing": {
			"Pending", "", "KeyNotFound", missing, nil,
			[]string{`binding "orders" is Pending (not held; waiting for the key)`, `binding "orders" is KeyNotFound: ` + missing},
		},
		"never bound, key not ready": {
			"Pending", "", "KeyNotReady", `SignatureKey "new" has no material yet (SourceNotFound). See its status.`, []signetv1alpha1.SignatureKey{notReady},
			[]string{
				`binding "orders" is Pending (not held; waiting for the key)`,
				`binding "orders" is KeyNotReady: SignatureKey "new" has no material yet (SourceNotFound). See its status.`,
				`key "new" is SourceNotFound: Secret "a" does not exist.`,
			},
		},
		"Bound, new key missing": {
			"Bound", "old", "KeyNotFound", missing + ` Until then, SignatureKey "old" keeps signing.`, nil,
			[]string{
				`binding "orders" waits to move from key "old" to key "new"`,
				`binding "orders" is KeyNotFound: ` + missing + ` Until then, SignatureKey "old" keeps signing.`,
			},
		},
		"Bound, new key missing, another API conflicted": {
			"Bound", "old", "Conflicted", "1 of 2 APIs are held by other bindings.", nil,
			[]string{`binding "orders" waits to move from key "old" to key "new"`, `key "new" does not exist`},
		},
		"Bound, no move": {"Bound", "new", "Bound", "", []signetv1alpha1.SignatureKey{readyKey("new")}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			reference := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders")
			binding := signetv1alpha1.SignatureBinding{}
			binding.Name, binding.Spec.KeyRef.Name, binding.Status.KeyName = "orders", "new", tc.before
			binding.Spec.Environment, binding.Status.Environment = "RELEASE", "RELEASE"
			binding.Spec.APIs = []signetv1alpha1.APIReference{reference}
			binding.Status.APIs = []signetv1alpha1.APIStatus{{Group: reference.Group, Kind: reference.Kind, Name: "orders", State: tc.state}}
			if tc.state == signetv1alpha1.APIPending {
				binding.Status.APIs[0].Message = "not held; waiting for the key"
			}
			binding.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "Unknown", Reason: tc.reason, Message: tc.message}}
			explanation, err := view.Explain(view.API{APIReference: reference, Namespace: "shop"}, "",
				[]signetv1alpha1.SignatureBinding{binding}, append(tc.keys, readyKey("old")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, explanation.Signed[0].Why); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func readyKey(name string) signetv1alpha1.SignatureKey {
	key := signetv1alpha1.SignatureKey{}
	key.Name, key.Status.KeyID = name, "v1"
	key.Status.Conditions = []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready"}}
	return key
}

// A parent of another kind is not a parent that has not accepted.
func TestExplainNamesParentsThatAreNotUnderstood(t *testing.T) {
	explanation, err := view.Explain(view.API{APIReference: route, Namespace: "shop", Unsupported: []string{"Service"}}, "", shop().Bindings, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"no Gateway has accepted the route: see its status.parents",
		"parents of kind Service are not understood: attach the route to a Gateway or a ListenerSet",
	}
	if diff := cmp.Diff(want, explanation.Notes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestExplainOneEnvironment(t *testing.T) {
	api := view.API{APIReference: route, Namespace: "shop"}
	tenant := shop()
	tenant.Bindings[1].Spec.APIs, tenant.Bindings[1].Spec.Environment = tenant.Bindings[0].Spec.APIs, "staging"
	explanation, err := view.Explain(api, "staging", tenant.Bindings, nil)
	if err != nil || len(explanation.Signed) != 1 || explanation.Signed[0].Environment != "staging" {
		t.Errorf("got %v, %+v", err, explanation)
	}
	const want = "the API is not in environment \"PREVIEW\": --env must be one of RELEASE, staging"
	if _, err := view.Explain(api, "PREVIEW", tenant.Bindings, nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A holder whose key has lost its material is Pending, and holds the API all the
// same, whatever is on standby for it.
func TestExplainHolderWithoutMaterial(t *testing.T) {
	api := view.API{APIReference: signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders"), Namespace: "shop"}
	claim := func(name string, status signetv1alpha1.APIStatus) signetv1alpha1.SignatureBinding {
		binding := signetv1alpha1.SignatureBinding{}
		binding.Name, binding.Spec.Environment, binding.Status.Environment = name, "RELEASE", "RELEASE"
		status.Kind, status.Name = api.Kind, api.Name
		binding.Spec.APIs, binding.Status.APIs = []signetv1alpha1.APIReference{api.APIReference}, []signetv1alpha1.APIStatus{status}
		return binding
	}
	bindings := []signetv1alpha1.SignatureBinding{
		claim("a-standby", signetv1alpha1.APIStatus{State: signetv1alpha1.APIStandby}),
		claim("orders", signetv1alpha1.APIStatus{State: signetv1alpha1.APIPending, BoundAt: &metav1.Time{Time: time.Unix(1, 0)}}),
	}
	explanation, err := view.Explain(api, "", bindings, nil)
	if err != nil {
		t.Fatal(err)
	}
	explained := explanation.Signed
	if len(explained) != 1 || explained[0].Binding != "orders" || explained[0].State != "Pending" {
		t.Errorf("got %+v", explained)
	}
}
