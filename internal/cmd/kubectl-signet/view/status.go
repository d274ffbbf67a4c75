// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/advice"
)

// NotSeen is the reason shown for an object that has not been reconciled yet.
const NotSeen = "NotSeen"

// Status is the state of the keys, bindings and slots of one or all namespaces.
type Status struct {
	Keys     []Key     `json:"keys"`
	Bindings []Binding `json:"bindings"`
	Slots    []Slot    `json:"slots"`
	Problems []Problem `json:"problems"`
}

// Key is the state of a key.
type Key struct {
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Type       string `json:"type"`
	Ready      string `json:"ready"`
	Reason     string `json:"reason"`
	Bindings   int32  `json:"bindings"`
	SecretName string `json:"secretName,omitempty"`
	Rotation   string `json:"rotation,omitempty"`
}

// Binding is the state of a binding.
type Binding struct {
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	Key         string `json:"key"`
	Environment string `json:"environment"`
	BoundAPIs   int32  `json:"boundAPIs"`
	TotalAPIs   int    `json:"totalAPIs"`
	Ready       string `json:"ready"`
	Reason      string `json:"reason"`
}

// Slot is an API in an environment and its holder.
type Slot struct {
	Namespace   string   `json:"namespace"`
	Environment string   `json:"environment"`
	API         string   `json:"api"`
	State       string   `json:"state"`
	Holder      string   `json:"holder,omitempty"`
	Key         string   `json:"key,omitempty"`
	Waiting     []string `json:"waiting,omitempty"`
}

// Problem is an unwanted state and what to do about it.
type Problem struct {
	Object  string `json:"object"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Action  string `json:"action"`
	// MessageHasAction is true if the message contains the action, with names.
	MessageHasAction bool `json:"-"`
}

// idle reports whether there is nothing to do.
func (p *Problem) idle() bool {
	for _, prefix := range []string{advice.Nothing + ",", advice.Nothing + ":"} {
		if strings.HasPrefix(p.Action, prefix) {
			return true
		}
	}
	return p.Action == advice.Nothing
}

// StatusOf returns the status of lists in any order.
func StatusOf(keys []signetv1alpha1.SignatureKey, bindings []signetv1alpha1.SignatureBinding) Status {
	status := Status{Keys: []Key{}, Bindings: []Binding{}, Problems: []Problem{}}
	for _, key := range inOrder(keys, func(k *signetv1alpha1.SignatureKey) metav1.Object { return k }) {
		status.Keys = append(status.Keys, keyOf(&key))
		status.Problems = append(status.Problems, problemsOfKey(&key)...)
	}
	sorted := inOrder(bindings, func(b *signetv1alpha1.SignatureBinding) metav1.Object { return b })
	for _, binding := range sorted {
		status.Bindings = append(status.Bindings, bindingOf(&binding))
		status.Problems = append(status.Problems, problemsOfBinding(&binding)...)
	}
	status.Problems = slices.DeleteFunc(status.Problems, func(problem Problem) bool { return problem.idle() })
	status.Slots = slotsOf(sorted)
	return status
}

// inOrder sorts by namespace and name.
func inOrder[T any](items []T, object func(*T) metav1.Object) []T {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, func(a, b T) int {
		x, y := object(&a), object(&b)
		return cmp.Or(cmp.Compare(x.GetNamespace(), y.GetNamespace()), cmp.Compare(x.GetName(), y.GetName()))
	})
	return sorted
}

func keyOf(key *signetv1alpha1.SignatureKey) Key {
	ready, reason := readiness(key.Status.Conditions)
	row := Key{
		Namespace: key.Namespace, Name: key.Name, Type: string(key.Spec.Type), Ready: ready, Reason: reason,
		SecretName: key.Status.SecretName, Rotation: rotationReason(key),
	}
	if key.Status.Bindings != nil {
		row.Bindings = key.Status.Bindings.Count
	}
	return row
}

func bindingOf(binding *signetv1alpha1.SignatureBinding) Binding {
	ready, reason := readiness(binding.Status.Conditions)
	return Binding{
		Namespace: binding.Namespace, Name: binding.Name, Key: EffectiveKey(binding),
		Environment: binding.Spec.Environment, BoundAPIs: binding.Status.BoundAPIs,
		TotalAPIs: len(binding.Spec.APIs), Ready: ready, Reason: reason,
	}
}

// EffectiveKey returns the key that the binding signs with. During a move this is
// still the old one.
func EffectiveKey(binding *signetv1alpha1.SignatureBinding) string {
	return cmp.Or(binding.Status.KeyName, binding.Spec.KeyRef.Name)
}

// readiness returns status and reason of Ready.
func readiness(conditions []metav1.Condition) (status, reason string) {
	ready := meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady)
	if ready == nil {
		return string(metav1.ConditionUnknown), NotSeen
	}
	return string(ready.Status), ready.Reason
}

func problemsOfKey(key *signetv1alpha1.SignatureKey) []Problem {
	object := fmt.Sprintf("signaturekey/%s -n %s", key.Name, key.Namespace)
	problems := problemOf(object, key.Status.Conditions, func(ready *metav1.Condition) (advice.Advice, bool) {
		return advice.ForKey(ready.Reason, string(ready.Status))
	})
	inUse := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionInUse)
	if inUse != nil && inUse.Reason == signetv1alpha1.ReasonDeletionBlocked {
		what, _ := advice.ForUse(inUse.Reason)
		problems = append(problems, Problem{Object: object, Reason: inUse.Reason, Message: inUse.Message, Action: plain(what.Action), MessageHasAction: true})
	}
	return problems
}

func problemsOfBinding(binding *signetv1alpha1.SignatureBinding) []Problem {
	object := fmt.Sprintf("signaturebinding/%s -n %s", binding.Name, binding.Namespace)
	problems := problemOf(object, binding.Status.Conditions, func(ready *metav1.Condition) (advice.Advice, bool) {
		return advice.ForBinding(ready.Reason)
	})
	rewritten := meta.FindStatusCondition(binding.Status.Conditions, signetv1alpha1.ConditionPathRewritten)
	if rewritten != nil && rewritten.Status == metav1.ConditionTrue {
		problems = append(problems, Problem{
			Object: object, Reason: rewritten.Type, Message: rewritten.Message,
			Action: "make the gateway sign after the rewrite, because the backend receives the rewritten request",
		})
	}
	return problems
}

// problemOf returns the problem that Ready reports, if any.
func problemOf(object string, conditions []metav1.Condition, find func(*metav1.Condition) (advice.Advice, bool)) []Problem {
	ready := meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady)
	if ready == nil {
		return []Problem{{
			Object: object, Reason: NotSeen, Message: "Signet has not reconciled it yet",
			Action: "run `kubectl signet doctor` if this persists",
		}}
	}
	if ready.Status == metav1.ConditionTrue && slices.Contains([]string{
		signetv1alpha1.ReasonReady, signetv1alpha1.ReasonBound,
	}, ready.Reason) {
		return nil
	}
	what, known := find(ready)
	if !known {
		what.Action = "see the message"
	}
	return []Problem{{
		Object: object, Reason: ready.Reason, Message: ready.Message, Action: plain(what.Action),
		// The manager's messages contain what to do, except for a key that only waits
		// for its deletion.
		MessageHasAction: ready.Reason != signetv1alpha1.ReasonKeyTerminating,
	}}
}

// plain removes the code marks of Markdown for the terminal.
func plain(markdown string) string {
	return strings.ReplaceAll(markdown, "`", "")
}
