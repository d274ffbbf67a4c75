// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// expectEveryReason checks that the tables have every status and reason that the
// API lists for a key's conditions, every reason of an event, and no other.
func expectEveryReason(t *testing.T, cases map[string]planCase) {
	t.Helper()
	conditions, events := map[string]bool{}, map[string]bool{}
	documented, reasons := documentedReasons(t)
	for _, c := range cases {
		for _, got := range c.want.Status.Conditions {
			if got.Type != signetv1alpha1.ConditionStalled { // repeats Ready
				conditions[got.Type+" "+string(got.Status)+" "+got.Reason] = true
			}
		}
		for _, got := range c.want.Events {
			if !reasons[got.Reason] {
				events[got.Reason] = true
			}
		}
	}
	expectSame(t, "condition", documented, conditions)
	expectSame(t, "event", eventReasons(t), events)
}

// expectSame reports what only one of the two sets has.
func expectSame(t *testing.T, what string, declared, found map[string]bool) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !found[name] {
			t.Errorf("the %s %q is declared but has no row or list", what, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !declared[name] {
			t.Errorf("the %s %q is not declared", what, name)
		}
	}
}

// listItem is the beginning of an item in the API's lists of reasons: for which
// statuses it is, and the first line of the reasons.
var (
	listItem = regexp.MustCompile(`^\s*- ((?:True|False|Unknown)[^:]*):(.*)$`)
	statuses = regexp.MustCompile(`True|False|Unknown`)
	remark   = regexp.MustCompile(`\([^)]*\)`)
)

// documentedReasons returns the conditions that the API lists for keys, as "type
// status reason", and all reasons that it declares. Each must be in the list of a
// key or of a binding.
func documentedReasons(t *testing.T) (ofKeys, declared map[string]bool) {
	t.Helper()
	ofKeys, declared = map[string]bool{}, map[string]bool{}
	listed := map[string]bool{}
	for name, c := range constantsOf(t, "../../api/v1alpha1/conditions.go") {
		if strings.HasPrefix(name, "Reason") {
			declared[c.value] = true
		}
		if !strings.HasPrefix(name, "Condition") {
			continue
		}
		ofKey, ofBinding, _ := strings.Cut(c.doc, "On a SignatureBinding, possible reasons")
		maps.Copy(ofKeys, conditionsIn(c.value, ofKey))
		for _, list := range []string{ofKey, ofBinding} {
			for condition := range conditionsIn(c.value, list) {
				listed[strings.Fields(condition)[2]] = true
			}
		}
	}
	expectSame(t, "reason", declared, listed)
	return ofKeys, declared
}

// conditionsIn returns what a list of reasons contains, as "type status reason".
func conditionsIn(conditionType, list string) map[string]bool {
	found := map[string]bool{}
	var of, reasons string
	add := func() {
		for reason := range strings.SplitSeq(remark.ReplaceAllString(reasons, ""), ",") {
			for _, status := range statuses.FindAllString(of, -1) {
				found[conditionType+" "+status+" "+strings.TrimSpace(reason)] = true
			}
		}
	}
	for line := range strings.Lines(list) {
		item := listItem.FindStringSubmatch(strings.TrimRight(line, "\n"))
		switch {
		case item != nil:
			add()
			of, reasons = item[1], item[2]
		case strings.TrimSpace(line) == "":
			add()
			of, reasons = "", ""
		default:
			reasons += " " + strings.TrimSpace(line)
		}
	}
	add()
	return found
}

// eventReasons returns the reasons of events that this package declares.
func eventReasons(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for name, c := range constantsOf(t, file) {
			if strings.HasPrefix(name, "event") && !strings.HasSuffix(file, "_test.go") {
				found[c.value] = true
			}
		}
	}
	return found
}

// textConstant is a constant string in source code.
type textConstant struct{ value, doc string }

// constantsOf returns the constant strings that a file declares, by name.
func constantsOf(t *testing.T, path string) map[string]textConstant {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]textConstant{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = textConstant{value: value, doc: spec.Doc.Text()}
		}
		return true
	})
	return found
}
