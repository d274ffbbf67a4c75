// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/crd"
)

// schemas are evaluators of the generated CRDs, by kind.
type schemas map[string]*crd.Evaluator

// shipped are the CRDs as they are; lax are the same without rules.
var (
	shipped = sync.OnceValues(func() (schemas, error) { return loadSchemas(func(any) {}) })
	lax     = sync.OnceValues(func() (schemas, error) { return loadSchemas(withoutRules) })
)

func loadSchemas(change func(any)) (schemas, error) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil {
		return nil, err
	}
	loaded := schemas{}
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

// validateInSchema checks the CRDs in process and answers as the API server does.
func validateInSchema(t *testing.T, load func() (schemas, error), old, object *unstructured.Unstructured) []string {
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

// sameAsSchema compares the API server's answer with that of the schema in
// process, word for word.
func sameAsSchema(t *testing.T, old, object *unstructured.Unstructured, answered []string) {
	t.Helper()
	if found := validateInSchema(t, shipped, old, object); !slices.Equal(found, answered) {
		t.Errorf("in process: %.1000q\n  API server: %.1000q\n  old: %.1000s\n  object: %.1000s", found, answered, specOf(t, old), specOf(t, object))
	}
}

func TestSchema(t *testing.T) {
	for _, c := range table(t) {
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			old, object := c.objects(t)
			compare(t, c, validateInSchema(t, shipped, old, object))
		})
	}
}

// TestSchemaAgrees compares the verdicts of the Go rules and of the schema in
// process on generated objects: new ones, changed ones, and ones that a schema without rules accepted.
func TestSchemaAgrees(t *testing.T) {
	begin := *seed
	if begin == 0 {
		begin = uint64(time.Now().UnixNano())
	}
	t.Logf("-layers.seed=%d", begin)
	t.Run("create", func(t *testing.T) {
		run(t, *times*createRuns, begin, func(t *testing.T, seed uint64) bool {
			t.Helper()
			m := newMaker(seed)
			object, paths := m.change(m.base(), m.IntN(4))
			return agreeWithGo(t, validateInSchema(t, shipped, nil, object), nil, object, paths)
		})
	})
	t.Run("update", func(t *testing.T) { run(t, *times*updateRuns, begin, updates(shipped)) })
	t.Run("ratchet", func(t *testing.T) { run(t, *times*ratchetRuns, begin, updates(lax)) })
}

// updates compares updates of objects that the given schema accepts.
func updates(accepting func() (schemas, error)) func(*testing.T, uint64) bool {
	return func(t *testing.T, seed uint64) bool {
		t.Helper()
		m := newMaker(seed)
		old, _ := m.change(m.base(), m.IntN(4))
		old.SetName("update-" + strconv.FormatUint(seed, 36))
		if len(validateInSchema(t, accepting, nil, old)) > 0 {
			return false
		}
		object, paths := m.change(old, m.IntN(3))
		object.SetName(old.GetName())
		return agreeWithGo(t, validateInSchema(t, shipped, old, object), old, object, paths)
	}
}
