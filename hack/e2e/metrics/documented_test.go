// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metric is a row of the table in config/prometheus/README.md.
type metric struct {
	kind   string
	labels []string
	// from is the replicas that export it.
	from string
}

// documented contains what that page documents about Signet's metrics, and the
// values of their labels: by "metric label".
type documented struct {
	metrics map[string]metric
	values  map[string][]string
}

var quoted = regexp.MustCompile("`([^`]+)`")

func inQuotes(cell string) []string {
	var all []string
	for _, found := range quoted.FindAllStringSubmatch(cell, -1) {
		all = append(all, found[1])
	}
	return all
}

func readDocumented(t *testing.T) documented {
	t.Helper()
	_, text, _ := strings.Cut(shipped(t, "config/prometheus/README.md"), "\n## Metrics\n")
	text, _, _ = strings.Cut(text, "\n## ")
	d := documented{metrics: map[string]metric{}, values: map[string][]string{}}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) == 8 && strings.Contains(cells[1], "`"):
			labels := inQuotes(cells[3])
			slices.Sort(labels)
			d.metrics[inQuotes(cells[1])[0]] = metric{strings.TrimSpace(cells[2]), labels, strings.TrimSpace(cells[4])}
		case len(cells) == 5 && strings.Contains(cells[1], "`"):
			for _, name := range inQuotes(cells[2]) {
				d.values[name+" "+inQuotes(cells[1])[0]] = inQuotes(cells[3])
			}
		}
	}
	if len(d.metrics) == 0 || len(d.values) == 0 {
		t.Fatal("there is no table of metrics on their page")
	}
	return d
}

// TestLabelsHaveValues holds the two tables together.
func TestLabelsHaveValues(t *testing.T) {
	d := readDocumented(t)
	var want []string
	for name, m := range d.metrics {
		for _, label := range m.labels {
			want = append(want, name+" "+label)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(d.values)); !slices.Equal(got, want) {
		t.Errorf("values are documented of\n%v\nand labels are\n%v", got, want)
	}
}

// TestValuesAreThoseOfTheCode finds what one run cannot show: values that are
// rare.
func TestValuesAreThoseOfTheCode(t *testing.T) {
	d := readDocumented(t)
	constants := func(path, pattern string) []string {
		var all []string
		for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(shipped(t, path), -1) {
			all = append(all, found[1])
		}
		if len(all) == 0 {
			t.Errorf("%s has no constants", path)
		}
		return all
	}
	const conditions, key, binding = "api/v1alpha1/conditions.go", "api/v1alpha1/signaturekey_types.go", "api/v1alpha1/signaturebinding_types.go"
	events := slices.Concat(constants(conditions, `Reason\w+ = "(\w+)"`), constants(conditions, `ConditionPathRewritten = "(\w+)"`),
		constants("internal/keyplan/material.go", `event\w+ += "(\w+)"`), constants("internal/keyplan/secret.go", `event\w+ += "(\w+)"`))
	// That a key is no longer in use has no event.
	events = slices.DeleteFunc(events, func(reason string) bool { return reason == "NotBound" })
	for label, want := range map[string][]string{
		"signet_keys type":                      constants(key, `KeyType = "(\w+)"`),
		"signet_apis state":                     constants(binding, `APIState = "(\w+)"`),
		"signet_transitions_total reason":       events,
		"signet_failed_writes_total verb":       constants("internal/kubeclient/write_error.go", `Verb = "(\w+)"`),
		"signet_failed_writes_total reason":     constants(conditions, `ReasonWrite\w+ = "(\w+)"`),
		"signet_signer_requests_total endpoint": constants("internal/signer/endpoint.go", `endpoint\w+ +endpoint = "(\w+)"`),
		"signet_signer_requests_total result":   constants("internal/signer/refusal.go", `result = "(\w+)"`),
		"signet_signer_unusable_total reason":   constants("internal/signer/snapshot/unusable.go", `Reason = "(\w+)"`),
	} {
		got := slices.Sorted(slices.Values(d.values[label]))
		slices.Sort(want)
		if !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("%s: the page on metrics has\n%v\nand the code\n%v", label, got, want)
		}
	}
}

// TestExpressionsAskForKnownValues finds a reason that is misspelled in a rule:
// Prometheus would take it, and the rule would never fire.
func TestExpressionsAskForKnownValues(t *testing.T) {
	d := readDocumented(t)
	for who, expression := range expressions(t) {
		for _, found := range selector.FindAllStringSubmatch(expression, -1) {
			name := strings.TrimSuffix(found[1], "_bucket")
			if !strings.HasPrefix(name, "signet_") {
				continue
			}
			for _, m := range matcher.FindAllStringSubmatch(found[2], -1) {
				for value := range strings.SplitSeq(m[3], "|") {
					if !slices.Contains(d.values[name+" "+m[1]], value) {
						t.Errorf("%s uses %s{%s=%q}, and there is no such value", who, name, m[1], value)
					}
				}
			}
		}
	}
}
