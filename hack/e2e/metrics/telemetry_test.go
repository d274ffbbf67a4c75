// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// TestRules runs promtool: what each alert fires at, and what it lets pass.
func TestRules(t *testing.T) {
	root, err := proc.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(context.Background(), program(t, "promtool"), args...)
		cmd.Dir = filepath.Join(root, "config", "prometheus")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
}

func TestTelemetry(t *testing.T) {
	f := newFixture(t)
	f.populate(t)
	p := startPrometheus(t, f)
	t.Run("alerts are loaded and evaluated", func(t *testing.T) { testLoadedRules(t, p) })
	t.Run("every metric in use exists", func(t *testing.T) { testExpressions(t, p) })
	t.Run("the page on metrics documents every exported metric", func(t *testing.T) { testDocumented(t, f, p) })
}

// testLoadedRules expects the one alert that the fixture gives cause for; a second
// before it fires is not waited for.
func testLoadedRules(t *testing.T, p *prometheus) {
	var rules []rule
	proc.Eventually(t, "an evaluation of every rule", func() (err error) {
		rules, err = p.rules()
		return err
	})
	if want := len(alerts(t)); len(rules) != want {
		t.Errorf("%d rules are loaded, and there are %d", len(rules), want)
	}
	var active []string
	for _, one := range rules {
		if one.Health != "ok" {
			t.Errorf("%s is %s: %s", one.Name, one.Health, one.LastError)
		}
		if one.State != "inactive" {
			active = append(active, one.Name+" "+one.State)
		}
	}
	if want := []string{"SignetBindingConflicted pending"}; !slices.Equal(active, want) {
		t.Errorf("active are %v, want %v", active, want)
	}
}

func testExpressions(t *testing.T, p *prometheus) {
	for who, expression := range expressions(t) {
		if _, err := p.query(expression); err != nil {
			t.Errorf("%s: %v", who, err)
		}
		names := metricsIn(expression)
		if len(names) == 0 {
			t.Errorf("%s uses no metric", who)
		}
		for _, name := range names {
			if found, err := p.query(name); err != nil || len(found) == 0 {
				t.Errorf("%s uses %s, which no target exports (%v)", who, name, err)
			}
		}
		// The selectors of third-party metrics contain names that may change; the
		// values of Signet's own are compared with the page on metrics.
		for _, found := range selector.FindAllString(expression, -1) {
			if strings.HasPrefix(found, "signet_") {
				continue
			}
			if series, err := p.query(found); err != nil || len(series) == 0 {
				t.Errorf("%s uses %s, which no target exports (%v)", who, found, err)
			}
		}
	}
}

// replicas returns, in the words of the page on metrics, which replicas report a metric.
func replicas(f *fixture, instances map[string]bool) string {
	switch keys := slices.Sorted(maps.Keys(instances)); {
	case slices.Equal(keys, slices.Sorted(slices.Values([]string{f.leader, f.follower}))):
		return "every manager"
	case slices.Equal(keys, []string{f.leader}):
		return "the leader"
	case slices.Equal(keys, []string{f.signer}):
		return "every signer"
	default:
		return fmt.Sprint(keys)
	}
}

func testDocumented(t *testing.T, f *fixture, p *prometheus) {
	types, err := p.types()
	if err != nil {
		t.Fatal(err)
	}
	series, err := p.query(`{__name__=~"signet_.*"}`)
	if err != nil {
		t.Fatal(err)
	}
	d, from := readDocumented(t), map[string]map[string]bool{}
	for _, one := range series {
		name := family(one.name(), types)
		if from[name] == nil {
			from[name] = map[string]bool{}
		}
		from[name][one["instance"]] = true
		row, known := d.metrics[name]
		if !known {
			t.Errorf("%s is exported and not on the page", name)
			continue
		}
		if !slices.Equal(one.own(), row.labels) {
			t.Errorf("%s has the labels %v, and on the page %v", name, one.own(), row.labels)
		}
		for _, label := range one.own() {
			if !slices.Contains(d.values[name+" "+label], one[label]) {
				t.Errorf("%s has %s=%q, which is not on the page", name, label, one[label])
			}
		}
	}
	for name, row := range d.metrics {
		if types[name] != row.kind {
			t.Errorf("%s is a %s, and on the page a %s", name, types[name], row.kind)
		}
		if got := replicas(f, from[name]); got != row.from {
			t.Errorf("%s comes from %s, and in the README from %s", name, got, row.from)
		}
	}
}
