// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	alertsFile    = "config/prometheus/alerts.yaml"
	ruleFile      = "config/prometheus/prometheus_rule.yaml"
	dashboardFile = "config/prometheus/dashboard.json"
)

// shipped is a file of the checkout.
func shipped(t *testing.T, path string) string {
	t.Helper()
	root, err := proc.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(shipped(t, alertsFile)), &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// place is where a panel is on the dashboard.
type place struct{ H, W, X, Y int }

func (p place) overlaps(q place) bool {
	return p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     place
	Datasource  struct{ UID string }
	Targets     []struct{ Expr string }
}

type dashboard struct {
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(shipped(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// expressions returns all expressions for Prometheus, by the alert or panel that uses
// them.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, a := range alerts(t) {
		all["alert "+a.Alert] = a.Expr
	}
	for _, p := range readDashboard(t).Panels {
		for i, target := range p.Targets {
			all["panel "+p.Title+" "+string(rune('A'+i))] = strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
		}
	}
	return all
}

var (
	matchers = regexp.MustCompile(`\{[^}]*\}`)
	window   = regexp.MustCompile(`\[[^]]*\]`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	word     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\s*\(?`)
	selector = regexp.MustCompile(`([a-z_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
)

// metricsIn are the names of the metrics in an expression: its words that are
// neither functions nor operators.
func metricsIn(expression string) []string {
	for _, noise := range []*regexp.Regexp{matchers, window, grouping} {
		expression = noise.ReplaceAllString(expression, " ")
	}
	var names []string
	for _, found := range word.FindAllString(expression, -1) {
		name := strings.TrimSpace(found)
		if !strings.HasSuffix(name, "(") && !slices.Contains([]string{"and", "or", "unless", "bool", "offset"}, name) {
			names = append(names, name)
		}
	}
	return names
}

func TestMetricsIn(t *testing.T) {
	const expression = `histogram_quantile(0.99, sum by (job, le) (rate(a_bucket{kind=~"x|y", le!="z"}[5m]))) > 30
		or max(b) / on (job) group_left () c{d="e and f"} - time() unless time () > g`
	if got, want := metricsIn(expression), []string{"a_bucket", "b", "c", "g"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func TestPrometheusRuleHasTheAlerts(t *testing.T) {
	var plain any
	var object struct{ Spec any }
	if err := yaml.Unmarshal([]byte(shipped(t, alertsFile)), &plain); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(shipped(t, ruleFile)), &struct {
		APIVersion, Kind string
		Metadata         any
		Spec             *any
	}{Spec: &object.Spec}); err != nil {
		t.Fatal(err)
	}
	was, _ := json.Marshal(plain)
	is, _ := json.Marshal(object.Spec)
	if string(was) != string(is) {
		t.Error("prometheus_rule.yaml has not the rules of alerts.yaml: run make generate")
	}
}

func TestAlertsSayWhatToDo(t *testing.T) {
	for _, a := range alerts(t) {
		if !slices.Contains([]string{"critical", "warning"}, a.Labels["severity"]) {
			t.Errorf("%s has severity %q", a.Alert, a.Labels["severity"])
		}
		if a.Annotations["summary"] == "" || len(a.Annotations["description"]) < 80 {
			t.Errorf("%s does not say what is wrong and what to do", a.Alert)
		}
		if !strings.Contains(shipped(t, "config/prometheus/alerts_test.yaml"), a.Alert) {
			t.Errorf("%s is never seen to fire: add a case to alerts_test.yaml", a.Alert)
		}
	}
}

func TestDashboardIsSound(t *testing.T) {
	d := readDashboard(t)
	if d.SchemaVersion < 39 {
		t.Errorf("schema version %d is older than Grafana 11's", d.SchemaVersion)
	}
	if source := d.Templating.List[0]; source.Name != "datasource" || source.Type != "datasource" || source.Query != "prometheus" {
		t.Errorf("the variable for the data source is %+v", source)
	}
	for i, p := range d.Panels {
		if p.ID != i+1 || p.Title == "" {
			t.Errorf("panel %d has id %d and title %q", i+1, p.ID, p.Title)
		}
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("panel %s has no query, or another data source", p.Title)
		}
		for _, other := range d.Panels[:i] {
			if p.GridPos.overlaps(other.GridPos) {
				t.Errorf("panels %s and %s overlap", other.Title, p.Title)
			}
		}
	}
}
