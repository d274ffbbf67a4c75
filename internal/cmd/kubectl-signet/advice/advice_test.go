// SPDX-License-Identifier: Apache-2.0

package advice_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/advice"
)

// TestTablesMatchThePage compares every line of the tables in api/v1alpha1/README.md.
func TestTablesMatchThePage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "api", "v1alpha1", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		section, column string
		table           []advice.Advice
	}{
		"Ready of a key":     {"### SignatureKey", "| Ready: reason", advice.KeyReady},
		"InUse of a key":     {"### SignatureKey", "| InUse: reason", advice.KeyInUse},
		"Ready of a binding": {"### SignatureBinding", "| Ready: reason", advice.BindingReady},
	} {
		t.Run(name, func(t *testing.T) {
			documented := tableOf(t, string(text), test.section, test.column)
			if diff := cmp.Diff(documented, test.table); diff != "" {
				t.Errorf("page (-), plugin (+):\n%s", diff)
			}
		})
	}
}

func tableOf(t *testing.T, text, section, column string) []advice.Advice {
	t.Helper()
	_, text, found := strings.Cut(text, "\n"+section+"\n")
	if !found {
		t.Fatalf("no section %s", section)
	}
	_, text, found = strings.Cut(text, column)
	if !found {
		t.Fatalf("no table with %s", column)
	}
	var table []advice.Advice
	for _, line := range strings.Split(text, "\n")[2:] {
		cells := strings.Split(line, " | ")
		if len(cells) != 4 {
			break
		}
		table = append(table, advice.Advice{
			Reason: strings.Trim(cells[0], "| `"), Status: cells[1], Meaning: cells[2], Action: strings.TrimSuffix(cells[3], " |"),
		})
	}
	return table
}

func TestSecretTerminatingDependsOnTheStatus(t *testing.T) {
	for status, want := range map[string]string{
		"True":    "nothing at once.",
		"Unknown": "nothing: new material",
		"False":   "save its content at once",
	} {
		got, known := advice.ForKey("SecretTerminating", status)
		if !known || !strings.HasPrefix(got.Action, want) {
			t.Errorf("%s: %q, want %q…", status, got.Action, want)
		}
	}
}

func TestUnknownReasons(t *testing.T) {
	for name, find := range map[string]func() (advice.Advice, bool){
		"key":     func() (advice.Advice, bool) { return advice.ForKey("Novel", "False") },
		"use":     func() (advice.Advice, bool) { return advice.ForUse("Novel") },
		"binding": func() (advice.Advice, bool) { return advice.ForBinding("Novel") },
	} {
		if got, known := find(); known {
			t.Errorf("%s: %v", name, got)
		}
	}
}
