// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

//go:embed testdata/*.yaml
var tables embed.FS

// Case is a row of the table: what is set in a base object, and what both
// layers report.
type Case struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Type of the key, for the base.
	Type string `json:"type,omitempty"`
	// Old is set in the base before Set, for an update.
	Old map[string]any `json:"old,omitempty"`
	// Set has fields by path. Null removes one, {repeat, times} is a long text,
	// and with {as: apis}, {as: list} or {as: map} a long collection.
	Set map[string]any `json:"set"`
	// Path of the error; empty if the object is valid.
	Path string `json:"path,omitempty"`
	// Message of the error for CEL rules, which is the same in both layers.
	Message string `json:"message,omitempty"`
	// SchemaOnly is the reason why the Go rules cannot see the fault.
	SchemaOnly string `json:"schemaOnly,omitempty"`
}

// Cases returns the rows of all tables.
func Cases(t *testing.T) []Case {
	t.Helper()
	files, err := fs.Glob(tables, "testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	var cases []Case
	for _, file := range files {
		text, err := tables.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rows []Case
		if err := yaml.UnmarshalStrict(text, &rows); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		cases = append(cases, rows...)
	}
	return cases
}

// Base returns a valid object, to which a row adds its fault.
func (c Case) Base() *unstructured.Unstructured {
	spec := map[string]any{
		"keyRef": map[string]any{"name": "orders"}, "environment": "RELEASE",
		"apis": []any{map[string]any{"group": "signet.dev", "kind": "API", "name": "orders"}},
	}
	if c.Kind == "SignatureKey" {
		spec = map[string]any{"type": "HMAC"}
		if c.Type != "" {
			spec["type"] = c.Type
		}
		if c.Type == "AES" {
			spec["algorithm"] = "aes-128-cfb"
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "signet.dev/v1alpha1", "kind": c.Kind,
		"metadata": map[string]any{"name": "orders", "namespace": "default"}, "spec": spec,
	}}
}

func put(t *testing.T, object *unstructured.Unstructured, fields map[string]any) *unstructured.Unstructured {
	t.Helper()
	changed := object.DeepCopy()
	for path, value := range fields {
		steps := strings.Split(path, ".")
		value = expand(value)
		if value == nil {
			unstructured.RemoveNestedField(changed.Object, steps...)
		} else if err := unstructured.SetNestedField(changed.Object, value, steps...); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return changed
}

// expand turns short descriptions into long values.
func expand(value any) any {
	switch value := value.(type) {
	case float64:
		return int64(value)
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = expand(value[i])
		}
		return list
	case map[string]any:
		text, _ := value["repeat"].(string)
		times, _ := value["times"].(float64)
		if text == "" {
			fields := map[string]any{}
			for name, inner := range value {
				fields[name] = expand(inner)
			}
			return fields
		}
		return long(text, int(times), fmt.Sprint(value["as"]))
	default:
		return value
	}
}

func long(text string, times int, as string) any {
	switch as {
	case "apis":
		apis := make([]any, times)
		for i := range apis {
			apis[i] = map[string]any{"group": "signet.dev", "kind": "API", "name": fmt.Sprintf("%s%d", text, i)}
		}
		return apis
	case "list":
		list := make([]any, times)
		for i := range list {
			list[i] = fmt.Sprintf("%s%d", text, i)
		}
		return list
	case "map":
		entries := map[string]any{}
		for i := range times {
			entries[fmt.Sprintf("%s%d", text, i)] = "v"
		}
		return entries
	default:
		return strings.Repeat(text, times)
	}
}

// Objects returns the object before an update, or nil, and the one to check.
func (c Case) Objects(t *testing.T) (old, object *unstructured.Unstructured) {
	t.Helper()
	object = c.Base()
	if c.Old != nil {
		old = put(t, object, c.Old)
		object = old
	}
	return old, put(t, object, c.Set)
}

// Compare expects no error, or errors only at the path, one of them with the message.
func (c Case) Compare(t *testing.T, found []string) {
	t.Helper()
	if (c.Path == "") != (len(found) == 0) {
		t.Fatalf("found %q, want an error at %q", found, c.Path)
	}
	matched := c.Message == ""
	for _, text := range found {
		if !strings.HasPrefix(text, c.Path+": ") {
			t.Errorf("found %q, want an error at %q", text, c.Path)
		}
		matched = matched || strings.HasSuffix(text, c.Message)
	}
	if !matched {
		t.Errorf("found %q, want %q", found, c.Message)
	}
}
