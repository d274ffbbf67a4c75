// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// customizations is laid out as the folder of that name in Argo CD's own
// repository.
const customizations = "../../../config/argocd/resource_customizations/signet.dev"

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// healthCase is an object as it is stored, and the assessment that Argo CD must return.
type healthCase struct {
	Name   string
	Script string
	Object *unstructured.Unstructured
	Want   health
}

// TestHealthScripts runs the scripts in the Lua, and with the libraries, that
// Argo CD runs them with.
func TestHealthScripts(t *testing.T) {
	for _, c := range healthCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if diff := cmp.Diff(c.Want, runHealthScript(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func healthCases(t *testing.T) []healthCase {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(customizations, "*", "health_test.yaml"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables of tests in %s: %v", customizations, err)
	}
	var cases []healthCase
	for _, path := range tables {
		var table struct {
			Tests []struct {
				HealthStatus health `json:"healthStatus"`
				InputPath    string `json:"inputPath"`
			} `json:"tests"`
		}
		readYAML(t, path, &table)
		dir := filepath.Dir(path)
		for _, test := range table.Tests {
			c := healthCase{Object: &unstructured.Unstructured{}, Want: test.HealthStatus}
			c.Name = filepath.Base(dir) + "/" + filepath.Base(test.InputPath)
			c.Script = filepath.Join(dir, "health.lua")
			readYAML(t, filepath.Join(dir, test.InputPath), c.Object)
			cases = append(cases, c)
		}
		requireAllListed(t, dir, len(table.Tests))
	}
	return cases
}

// requireAllListed fails if there are objects that no test is about.
func requireAllListed(t *testing.T, dir string, listed int) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != listed {
		t.Fatalf("%s/health_test.yaml lists %d of the %d files in testdata", dir, listed, len(files))
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func runHealthScript(t *testing.T, c healthCase) health {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", luaValue(state, c.Object.Object))
	if err := state.DoFile(c.Script); err != nil {
		t.Fatal(err)
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("%s returned no table", c.Script)
	}
	return health{Status: lua.LVAsString(result.RawGetString("status")), Message: lua.LVAsString(result.RawGetString("message"))}
}

// luaValue is the object as a script sees it.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, entry := range value {
			table.Append(luaValue(state, entry))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for name, field := range value {
			table.RawSetString(name, luaValue(state, field))
		}
		return table
	default:
		panic(fmt.Sprintf("no Lua value for %T", value))
	}
}
