// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// prometheus is a Prometheus that scrapes Signet and has the alerts loaded.
type prometheus struct{ api string }

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("there is no %s: install the Debian package prometheus", name)
	}
	return path
}

// targetEndpoint is the value of the label endpoint that the Prometheus operator
// sets on all that it scrapes: the name of the port.
const targetEndpoint = "metrics"

// scraping is Prometheus' configuration: jobs have names of no meaning, since
// no rule may depend on them. The signer is scraped as with its PodMonitor.
const scraping = `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
- {job_name: one, static_configs: [{targets: [%q, %q]}]}
- {job_name: two, honor_labels: %t, static_configs: [{targets: [%q], labels: {endpoint: %s}}]}
`

func startPrometheus(t *testing.T, f *fixture) *prometheus {
	t.Helper()
	file := filepath.Join(f.Dir, "prometheus.yaml")
	text := fmt.Sprintf(scraping, filepath.Join(f.Root, alertsFile), f.leader, f.follower,
		honorsLabels(t, "signet-signer"), f.signer, targetEndpoint)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := proc.FreeAddress(t)
	proc.Run(t, proc.Command{Program: program(t, "prometheus"), Log: filepath.Join(f.Dir, "prometheus.log"), Args: []string{
		"--config.file=" + file, "--log.level=warn", "--storage.tsdb.path=" + filepath.Join(f.Dir, "series"), "--web.listen-address=" + address,
	}})
	p := &prometheus{api: "http://" + address + "/api/v1/"}
	proc.Eventually(t, "three scrapes of each process", func() error {
		series, err := p.query("count_over_time(up[1m]) >= 3 and up == 1")
		if err == nil && len(series) != 3 {
			err = fmt.Errorf("%d of 3 processes", len(series))
		}
		return err
	})
	return p
}

// honorsLabels is what the shipped PodMonitor sets.
func honorsLabels(t *testing.T, name string) bool {
	t.Helper()
	for text := range strings.SplitSeq(shipped(t, "config/prometheus/pod_monitors.yaml"), "\n---\n") {
		var monitor struct {
			Metadata struct{ Name string }
			Spec     struct {
				PodMetricsEndpoints []struct{ HonorLabels bool }
			}
		}
		if err := yaml.Unmarshal([]byte(text), &monitor); err != nil {
			t.Fatal(err)
		}
		if monitor.Metadata.Name == name {
			return monitor.Spec.PodMetricsEndpoints[0].HonorLabels
		}
	}
	t.Fatalf("there is no PodMonitor %s", name)
	return false
}

// ask puts a question to the API and reads the data of the answer.
func (p *prometheus) ask(path string, parameters url.Values, data any) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.api+path+"?"+parameters.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// query returns the labels of what an expression has as its result.
func (p *prometheus) query(expression string) ([]labels, error) {
	var data struct {
		Result []struct{ Metric labels }
	}
	if err := p.ask("query", url.Values{"query": {expression}}, &data); err != nil {
		return nil, err
	}
	var found []labels
	for _, one := range data.Result {
		found = append(found, one.Metric)
	}
	return found, nil
}

// labels of a series, without what Prometheus adds to a scrape.
type labels map[string]string

func (l labels) name() string { return l["__name__"] }

// own are the names of the labels that the process has given.
func (l labels) own() []string {
	var names []string
	for name, value := range l {
		if name == "endpoint" && value == targetEndpoint {
			continue
		}
		if !slices.Contains([]string{"__name__", "job", "instance", "le"}, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// rule is what Prometheus makes of a rule.
type rule struct {
	Name, Query, Health, LastError, State string
}

func (p *prometheus) rules() ([]rule, error) {
	var data struct {
		Groups []struct{ Rules []rule }
	}
	if err := p.ask("rules", nil, &data); err != nil {
		return nil, err
	}
	var all []rule
	for _, group := range data.Groups {
		all = append(all, group.Rules...)
	}
	for _, one := range all {
		if one.Health == "unknown" {
			return nil, fmt.Errorf("rule %s was not evaluated yet", one.Name)
		}
	}
	return all, nil
}

// types are the type of each metric that was scraped.
func (p *prometheus) types() (map[string]string, error) {
	var data map[string][]struct{ Type string }
	if err := p.ask("metadata", nil, &data); err != nil {
		return nil, err
	}
	types := map[string]string{}
	for name, found := range data {
		types[name] = found[0].Type
	}
	return types, nil
}

// family is the metric that a series belongs to: a histogram has three series.
func family(series string, types map[string]string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, cut := strings.CutSuffix(series, suffix); cut && types[base] == "histogram" {
			return base
		}
	}
	return series
}
