// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/crd"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// Schemas loads the generated CRDs.
type Schemas func() (map[string]*crd.Evaluator, error)

// Shipped are the CRDs as they are; Lax are the same without rules.
var (
	Shipped Schemas = sync.OnceValues(func() (map[string]*crd.Evaluator, error) { return loadSchemas(func(any) {}) })
	Lax     Schemas = sync.OnceValues(func() (map[string]*crd.Evaluator, error) { return loadSchemas(WithoutRules) })
)

func loadSchemas(change func(any)) (map[string]*crd.Evaluator, error) {
	root, err := proc.Root()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "bases", "*.yaml"))
	if err != nil {
		return nil, err
	}
	loaded := map[string]*crd.Evaluator{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var fields map[string]any
		if err := yaml.Unmarshal(text, &fields); err != nil {
			return nil, err
		}
		change(fields)
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, definition); err != nil {
			return nil, err
		}
		if loaded[definition.Spec.Names.Kind], err = crd.New(definition); err != nil {
			return nil, err
		}
	}
	return loaded, nil
}

// InSchema checks an object against the CRDs in process, and returns the errors as
// the API server does.
func InSchema(t *testing.T, load Schemas, old, object *unstructured.Unstructured) []string {
	t.Helper()
	loaded, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, err := range loaded[object.GetKind()].Validate(t.Context(), object, old) {
		if err.Field != "<nil>" {
			found = append(found, err.Field+": "+err.ErrorBody())
		}
	}
	slices.Sort(found)
	return found
}

// WithoutRules removes what restricts values from a schema, and keeps its shape.
func WithoutRules(node any) {
	switch node := node.(type) {
	case map[string]any:
		for _, rule := range []string{
			"enum", "pattern", "maxLength", "minLength", "maximum", "minimum", "maxItems", "minItems", "maxProperties", "x-kubernetes-validations",
		} {
			delete(node, rule)
		}
		for _, inner := range node {
			WithoutRules(inner)
		}
	case []any:
		for _, inner := range node {
			WithoutRules(inner)
		}
	}
}
