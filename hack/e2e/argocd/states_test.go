// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// TestStates produces every state that Ready can have, with the real manager
// on a real API server, and has Argo CD, kstatus and kubectl assess the objects.
func TestStates(t *testing.T) {
	w := newFixture(t)
	w.startManager(t, "--public-key-enable")
	w.expectAdmission(t)
	for namespace, c := range stateCases {
		w.kubectl(t, "create", "namespace", namespace)
		if c.gateOpen != nil {
			c.gateOpen(t, testNamespace{w, namespace})
		}
	}
	w.manager.stop()
	w.unguard(t)
	for namespace, c := range stateCases {
		if c.unguarded != nil {
			c.unguarded(t, testNamespace{w, namespace})
		}
	}
	t.Run("before Signet has seen it", func(t *testing.T) { notSeenYet(t, w) })
	w.startManager(t)
	w.applyInstallation(t)
	w.expectAdmission(t)
	for namespace, c := range stateCases {
		t.Run(namespace, func(t *testing.T) {
			t.Parallel()
			if c.setUp != nil {
				c.setUp(t, testNamespace{w, namespace})
			}
			for _, state := range c.states {
				testNamespace{w, namespace}.expectState(t, state)
			}
		})
	}
	t.Run("blocked deletion", func(t *testing.T) {
		t.Parallel()
		blockedDeletion(t, w)
	})
}

// unguard deletes the webhooks and relaxes the CRDs as an older version may have
// had them: nothing else accepts an invalid spec.
func (w *fixture) unguard(t *testing.T) {
	t.Helper()
	const schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
	w.kubectl(t, "delete", "validatingwebhookconfiguration", "signet")
	w.kubectl(t, "patch", "crd", "signaturekeys.signet.dev", "--type=json", "-p",
		`[{"op":"remove","path":"`+schema+`/x-kubernetes-validations"}]`)
	w.kubectl(t, "patch", "crd", "signaturebindings.signet.dev", "--type=json", "-p",
		`[{"op":"remove","path":"`+schema+`/properties/signatureHeader/pattern"}]`)
	for _, invalid := range []string{invalidKey, invalidBinding} {
		proc.EventuallyLong(t, "the CRD to accept an invalid spec", func() error {
			return w.try(t.Context(), invalid, "create", "--dry-run=server", "-n", "default", "-f", "-")
		})
	}
}

// notSeenYet applies and changes objects while no manager runs: kubectl wait,
// begun before the manager, is not satisfied by what there was.
func notSeenYet(t *testing.T, w *fixture) {
	w.kubectl(t, "create", "namespace", "not-seen-yet")
	s := testNamespace{w, "not-seen-yet"}
	kinds := []string{kindKey, kindBinding}
	seen := func(t *testing.T) {
		var ends []func()
		for _, kind := range kinds {
			s.assess(t, kind, "")
			err := s.try(t.Context(), "", "wait", "-n", s.namespace, "--for=condition=Ready", "--timeout=2s", kind+"/orders")
			if err == nil || !strings.Contains(err.Error(), "timed out waiting for the condition") {
				t.Errorf("kubectl wait, without a manager: %v, want it to time out", err)
			}
			ends = append(ends, s.wait(t, kind, "orders"))
		}
		w.startManager(t)
		for i, end := range ends {
			end()
			s.assess(t, kinds[i], "True")
		}
		w.manager.stop()
	}
	apply(key("orders", ""), binding("orders", "orders", "API/orders"))(t, s)
	t.Run("applied", seen)
	for _, kind := range kinds {
		s.in(t, "annotate", kind, "orders", "example.com/generation=the-same")
		s.assess(t, kind, "True")
	}
	s.in(t, "patch", kindKey, "orders", "--type=merge", "-p", `{"spec":{"displayName":"orders_signature"}}`)
	s.in(t, "patch", kindBinding, "orders", "--type=merge", "-p", `{"spec":{"signatureHeader":"X-Signature"}}`)
	t.Run("changed", seen)
}

// blockedDeletion is the one state about which kubectl differs: to Argo CD and Flux
// what is being deleted is on its way, whatever its conditions say.
func blockedDeletion(t *testing.T, w *fixture) {
	w.kubectl(t, "create", "namespace", "deletion-held")
	s := testNamespace{w, "deletion-held"}
	bound(t, s)
	s.in(t, "delete", kindKey, "orders", "--wait=false")
	s.assessDeleted(t, s.expectReady(t, kindKey, "orders", "True", "Ready"), "True")
}

// assessDeleted compares the assessments of an object that is being deleted.
func (s testNamespace) assessDeleted(t *testing.T, object *unstructured.Unstructured, ready string) {
	t.Helper()
	s.assessKubectl(t, object.GetKind(), object.GetName(), "Ready="+ready, true)
	if got := s.assessArgoCD(t, object); got != "Progressing" {
		t.Errorf("Argo CD: %s, want Progressing", got)
	}
	expectTerminating(t, object)
}

// expectState waits for the state, compares all assessments, and compares its
// conditions with the test file of health.lua.
func (s testNamespace) expectState(t *testing.T, want state) {
	t.Helper()
	object := s.expectReady(t, want.kind, "orders", want.ready, want.reason)
	if want.deleted {
		s.assessDeleted(t, object, want.ready)
		return
	}
	if stored := storedConditions(t, want); !cmp.Equal(stored, reported(t, object)) {
		t.Errorf("%s is out of date: %s", want.path(), cmp.Diff(stored, reported(t, object)))
	}
	s.assess(t, want.kind, want.ready)
	if want.waits {
		s.age(t, want.kind, "orders")
		s.expectState(t, state{kind: want.kind, ready: "False", reason: want.reason})
	}
}

// path is that of the file with an object in this state.
func (s state) path() string {
	file := s.file
	if file == "" {
		file = strings.ToLower(agreed[s.ready].argoCD) + "_" + strings.ToLower(s.reason[:1]) + s.reason[1:] + ".yaml"
	}
	return filepath.Join(customizations, s.kind, "testdata", file)
}

func storedConditions(t *testing.T, s state) map[string]string {
	t.Helper()
	object := &unstructured.Unstructured{}
	readYAML(t, s.path(), object)
	return reported(t, object)
}

// reported returns the status, reason and message of Ready and Stalled.
func reported(t *testing.T, object *unstructured.Unstructured) map[string]string {
	t.Helper()
	conditions := map[string]string{}
	for _, condition := range conditionsOf(t, object) {
		if condition.Type == "Ready" || condition.Type == "Stalled" {
			conditions[condition.Type] = fmt.Sprintf("%s %s: %s", condition.Status, condition.Reason, condition.Message)
		}
	}
	return conditions
}

// notOfReady are reasons of other conditions than Ready.
var notOfReady = []string{"NotBound", "DeletionBlocked", "Staged", "Retiring", "Settled", "NothingToRotate", "Resting"}

// onlyWithNamespaces is a state that only a manager with --namespaces reports; here it
// works in all namespaces. To Argo CD it is like any other that is stalled.
const onlyWithNamespaces = "NotServed"

// TestEveryReasonHasAState fails if the code or the API page has a state of Ready
// without a case, or a case has a state that they lack.
func TestEveryReasonHasAState(t *testing.T) {
	reasons, states := map[string]bool{}, map[string]bool{}
	for _, c := range stateCases {
		for _, s := range c.states {
			reasons[s.reason] = true
			states[s.kind+" "+s.reason+" "+s.ready] = true
			if s.waits {
				states[s.kind+" "+s.reason+" False"] = true
			}
		}
	}
	constants, pages := reasonConstants(t), documentedStates(t)
	delete(pages, kindKey+" "+onlyWithNamespaces+" False")
	for _, reason := range append(notOfReady, onlyWithNamespaces) {
		delete(constants, reason)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(constants)), slices.Sorted(maps.Keys(reasons))); diff != "" {
		t.Errorf("constants in api/v1alpha1 (-) and cases (+): %s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(pages)), slices.Sorted(maps.Keys(states))); diff != "" {
		t.Errorf("States and reasons on the API page (-) and cases (+): %s", diff)
	}
}

// reasonConstants are the values of the constants that are named Reason….
func reasonConstants(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../../api/v1alpha1/conditions.go", nil, 0)
	must(t, err)
	values := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		must(t, err)
		values[value] = true
		return true
	})
	if len(values) < len(notOfReady) {
		t.Fatalf("found only the constants %v", values)
	}
	return values
}

// documentedStates are the rows of the API page's tables of Ready.
func documentedStates(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../../api/v1alpha1/README.md")
	must(t, err)
	row, statuses := regexp.MustCompile("^\\| `(\\w+)` \\| ([^|]*) \\|"), regexp.MustCompile("True|False|Unknown")
	states := map[string]bool{}
	var kind string
	var inTable bool
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			kind = strings.TrimSpace(name)
		}
		inTable = strings.HasPrefix(line, "| Ready: reason") || inTable && strings.HasPrefix(line, "|")
		if cells := row.FindStringSubmatch(line); inTable && cells != nil {
			for _, status := range statuses.FindAllString(cells[2], -1) {
				states[kind+" "+cells[1]+" "+status] = true
			}
		}
	}
	return states
}
