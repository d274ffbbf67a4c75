// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Gateway is a Gateway that has accepted a route.
type Gateway struct {
	// Name with its namespace: edge/public.
	Name string `json:"name"`
	// Environment from the label; empty without the label.
	Environment string `json:"environment,omitempty"`
	// Problem is the reason why the environment is unknown.
	Problem string `json:"problem,omitempty"`
}

// API is what is known about the API to explain.
type API struct {
	signetv1alpha1.APIReference
	Namespace string
	// Missing means that the route does not exist.
	Missing bool
	// Problem is the reason why the route could not be read.
	Problem string
	// Gateways that have accepted the route.
	Gateways []Gateway
	// Unsupported are the kinds of parents that are not understood.
	Unsupported []string
	// Rewrites are the places where the route rewrites path or host.
	Rewrites []string
}

// Explanation describes which key signs an API, or why none does.
type Explanation struct {
	API       string `json:"api"`
	Namespace string `json:"namespace"`
	// Signed are the environments in which bindings claim the API.
	Signed []Signed `json:"environments"`
	// Notes concern all environments.
	Notes []string `json:"notes"`
}

// Signed is one environment in which bindings claim the API.
type Signed struct {
	Environment string   `json:"environment"`
	Key         string   `json:"key,omitempty"`
	Binding     string   `json:"binding,omitempty"`
	State       string   `json:"state"`
	Gateways    []string `json:"gateways"`
	Waiting     []string `json:"waiting,omitempty"`
	// Why lists what prevents or limits signing.
	Why []string `json:"why"`
	// SignPath and VerifyPath are paths of the signer.
	SignPath   string `json:"signPath,omitempty"`
	VerifyPath string `json:"verifyPath,omitempty"`
	// Verifier is the setup of a backend.
	Verifier *Verifier `json:"verifier,omitempty"`
}

// Explain explains an API by the bindings and keys of its namespace, in one
// environment or in all.
func Explain(api API, environment string, bindings []signetv1alpha1.SignatureBinding, keys []signetv1alpha1.SignatureKey) (Explanation, error) {
	explanation := Explanation{API: APIName(api.APIReference), Namespace: api.Namespace, Signed: []Signed{}, Notes: notesOn(&api)}
	environments, err := chosen(&api, environment, bindings)
	switch {
	case err != nil && environment != "":
		return Explanation{}, err
	case err != nil:
		explanation.Notes = append(explanation.Notes, fmt.Sprintf(
			"no SignatureBinding in namespace %q lists it, so nothing signs: create one, for example with `kubectl signet bind`", api.Namespace))
	}
	for _, environment := range environments {
		explanation.Signed = append(explanation.Signed, signedIn(&api, environment, bindings, keys))
	}
	return explanation, nil
}

func notesOn(api *API) []string {
	notes := []string{}
	switch {
	case api.Missing:
		notes = append(notes, fmt.Sprintf("%s %q does not exist in namespace %q", api.Kind, api.Name, api.Namespace))
	case api.Problem != "":
		notes = append(notes, "the route, its Gateways and its rewrites were not checked: "+api.Problem)
	case api.Kind != signetv1alpha1.APIKindAPI && len(api.Gateways) == 0:
		notes = append(notes, "no Gateway has accepted the route: see its status.parents")
	}
	for _, kind := range api.Unsupported {
		notes = append(notes, fmt.Sprintf("parents of kind %s are not understood: attach the route to a Gateway or a ListenerSet", kind))
	}
	for _, gateway := range api.Gateways {
		switch {
		case gateway.Problem != "":
			notes = append(notes, fmt.Sprintf("the environment of Gateway %q is unknown: %s", gateway.Name, gateway.Problem))
		case gateway.Environment == "":
			notes = append(notes, fmt.Sprintf("Gateway %q has no label %s: its requests belong to no environment",
				gateway.Name, signetv1alpha1.LabelEnvironment))
		}
	}
	for _, rewrite := range api.Rewrites {
		notes = append(notes, rewrite+": the gateway must sign after it")
	}
	return notes
}

// environmentsOf returns those in which bindings claim the API or still hold it.
func environmentsOf(api signetv1alpha1.APIReference, bindings []signetv1alpha1.SignatureBinding) []string {
	var environments []string
	for i := range bindings {
		if _, found := stateOf(api, &bindings[i]); found {
			environments = append(environments, environmentOf(&bindings[i]))
		} else if slices.Contains(bindings[i].Spec.APIs, api) {
			environments = append(environments, bindings[i].Spec.Environment)
		}
	}
	slices.Sort(environments)
	return slices.Compact(environments)
}

// stateOf returns the API's entry in the binding's status; false without one.
func stateOf(api signetv1alpha1.APIReference, binding *signetv1alpha1.SignatureBinding) (*signetv1alpha1.APIStatus, bool) {
	for i := range binding.Status.APIs {
		status := &binding.Status.APIs[i]
		if status.Kind == api.Kind && status.Name == api.Name {
			return status, true
		}
	}
	return nil, false
}

func signedIn(api *API, environment string, bindings []signetv1alpha1.SignatureBinding, keys []signetv1alpha1.SignatureKey) Signed {
	signed := Signed{Environment: environment, State: NotSeen, Gateways: gatewaysOf(api, environment), Why: []string{}}
	for _, binding := range bindings {
		status, found := stateOf(api.APIReference, &binding)
		switch {
		case found && environmentOf(&binding) == environment && Holds(status):
			signed.hold(api, &binding, status, keys)
		case found && environmentOf(&binding) == environment:
			signed.wait(&binding, status, keys)
		case !found && binding.Spec.Environment == environment && slices.Contains(binding.Spec.APIs, api.APIReference):
			signed.Waiting = append(signed.Waiting, binding.Name)
			signed.Why = append(signed.Why, fmt.Sprintf("binding %q has not been reconciled yet", binding.Name))
		}
	}
	return signed
}

func gatewaysOf(api *API, environment string) []string {
	names := []string{}
	for _, gateway := range api.Gateways {
		if gateway.Problem == "" && gateway.Environment == environment {
			names = append(names, gateway.Name)
		}
	}
	return names
}

// hold adds the binding that holds the slot.
func (s *Signed) hold(api *API, binding *signetv1alpha1.SignatureBinding, status *signetv1alpha1.APIStatus, keys []signetv1alpha1.SignatureKey) {
	s.Binding, s.Key, s.State = binding.Name, EffectiveKey(binding), string(status.State)
	if status.Message != "" {
		s.Why = append(s.Why, status.Message)
	}
	path := strings.Join([]string{api.Namespace, s.Environment, string(api.Kind), api.Name}, "/")
	s.SignPath, s.VerifyPath = "/sign/"+path, "/verify/"+path
	s.Verifier = verifierOf(binding, keys)
	s.Why = append(s.Why, problemsOfNamedKey(s.Key, keys)...)
	if binding.Spec.KeyRef.Name != s.Key {
		s.Why = append(s.Why, waitsFor(binding, keys)...)
	}
}

// wait adds a binding that does not hold the slot.
func (s *Signed) wait(binding *signetv1alpha1.SignatureBinding, status *signetv1alpha1.APIStatus, keys []signetv1alpha1.SignatureKey) {
	s.Waiting = append(s.Waiting, binding.Name)
	if s.State == NotSeen {
		s.State = string(status.State)
	}
	if status.State == signetv1alpha1.APIStandby {
		return // no problem: the holder signs identically
	}
	why := fmt.Sprintf("binding %q is %s", binding.Name, status.State)
	if status.Holder != "" {
		why += fmt.Sprintf(": %q holds the API", status.Holder)
	}
	_, reason := readiness(binding.Status.Conditions)
	s.Why = append(s.Why, why+" ("+cmp.Or(status.Message, reason)+")")
	if status.State != signetv1alpha1.APIConflicted { // whatever its key, it does not get the API
		s.Why = append(s.Why, waitsFor(binding, keys)...)
	}
}

// reasonsOfKeys are the reasons of a binding that waits for its key.
var reasonsOfKeys = []string{
	signetv1alpha1.ReasonKeyNotFound, signetv1alpha1.ReasonKeyNotReady, signetv1alpha1.ReasonKeyTerminating, signetv1alpha1.ReasonSecretLost,
	signetv1alpha1.ReasonTypeNotEnabled, signetv1alpha1.ReasonWriteRefused, signetv1alpha1.ReasonWriteFailed,
}

// waitsFor lists why the key that the spec names does not sign for the binding yet: as
// Ready says, or, if a worse state hides that, as the key is seen.
func waitsFor(binding *signetv1alpha1.SignatureBinding, keys []signetv1alpha1.SignatureKey) []string {
	var why []string
	wanted, before := binding.Spec.KeyRef.Name, binding.Status.KeyName
	if before != "" && before != wanted {
		why = append(why, fmt.Sprintf("binding %q waits to move from key %q to key %q", binding.Name, before, wanted))
	}
	ready := meta.FindStatusCondition(binding.Status.Conditions, signetv1alpha1.ConditionReady)
	if ready != nil && slices.Contains(reasonsOfKeys, ready.Reason) {
		why = append(why, fmt.Sprintf("binding %q is %s: %s", binding.Name, ready.Reason, ready.Message))
		if ready.Reason == signetv1alpha1.ReasonKeyNotFound {
			return why
		}
	}
	return append(why, problemsOfNamedKey(wanted, keys)...)
}

// problemsOfNamedKey lists what is wrong with the key of that name.
func problemsOfNamedKey(name string, keys []signetv1alpha1.SignatureKey) []string {
	i := slices.IndexFunc(keys, func(key signetv1alpha1.SignatureKey) bool { return key.Name == name })
	if i < 0 {
		return []string{fmt.Sprintf("key %q does not exist", name)}
	}
	var why []string
	for _, problem := range problemsOfKey(&keys[i]) {
		why = append(why, fmt.Sprintf("key %q is %s: %s", name, problem.Reason, problem.Message))
	}
	return why
}
