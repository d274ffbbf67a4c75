// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"encoding/json"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

// How many objects a test generates.
const (
	CreateRuns  = 1500
	UpdateRuns  = 500
	RatchetRuns = 500
)

var (
	seed  = flag.Uint64("layers.seed", 0, "seed of the generated objects (0 uses a new one each time)")
	times = flag.Int("layers.times", 1, "factor for the number of objects")
)

// Seed returns the first seed of a test.
func Seed(t *testing.T) uint64 {
	t.Helper()
	begin := *seed
	if begin == 0 {
		begin = uint64(time.Now().UnixNano())
	}
	t.Logf("-layers.seed=%d", begin)
	return begin
}

// Times returns the number of objects to generate for a number of runs.
func Times(runs int) int { return *times * runs }

// Run compares the layers for as many seeds as there are runs. It fails if nearly
// all objects have the same result: that would compare nothing.
func Run(t *testing.T, runs int, begin uint64, compare func(*testing.T, uint64) bool) {
	t.Helper()
	objects, results := Times(runs), map[bool]int{}
	for i := range uint64(objects) { //nolint:gosec // not negative
		results[compare(t, begin+i)]++
		if t.Failed() {
			t.Fatalf("seed %d", begin+i)
		}
	}
	t.Logf("%d valid, %d invalid", results[true], results[false])
	if results[true] < objects/20 || results[false] < objects/20 {
		t.Errorf("%d valid and %d invalid objects: the generator has lost its balance", results[true], results[false])
	}
}

// InGo returns what the Go rules find.
func InGo(t *testing.T, old, object *unstructured.Unstructured) field.ErrorList {
	t.Helper()
	if object.GetKind() == "SignatureKey" {
		key := decode[signetv1alpha1.SignatureKey](t, object)
		if old != nil {
			return validation.ValidateSignatureKeyUpdate(key, decode[signetv1alpha1.SignatureKey](t, old))
		}
		return validation.ValidateSignatureKey(key)
	}
	binding := decode[signetv1alpha1.SignatureBinding](t, object)
	if old != nil {
		return validation.ValidateSignatureBindingUpdate(binding, decode[signetv1alpha1.SignatureBinding](t, old))
	}
	return validation.ValidateSignatureBinding(binding)
}

func decode[T any](t *testing.T, object *unstructured.Unstructured) *T {
	t.Helper()
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		t.Fatal(err)
	}
	return into
}

// AgreeWithGo compares what the API server or the schema in process found with
// the Go rules: the results and, where one field of a new object was changed, the
// paths. What the other layer finds, Go finds too, there or above. Of several
// faults in one field the other layer may omit some, since others keep it
// from checking, and Go omits what is in a list that is too long. It returns whether the
// object is valid.
func AgreeWithGo(t *testing.T, found []string, old, object *unstructured.Unstructured, changed []string) bool {
	t.Helper()
	var errs []string
	for _, err := range InGo(t, old, object) {
		errs = append(errs, err.Field)
	}
	same := (len(errs) == 0) == (len(found) == 0)
	if same && len(changed) == 1 && old == nil {
		reported := distinct(errs)
		same = !slices.ContainsFunc(distinct(found), func(path string) bool {
			return !slices.ContainsFunc(reported, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
		})
	}
	if !same {
		t.Errorf("the layers disagree on a change of %q\n  Go: %.1000q\n  API server: %.1000q\n  old: %.1000s\n  object: %.1000s",
			changed, errs, found, SpecOf(t, old), SpecOf(t, object))
	}
	return len(errs) == 0
}

// distinct returns the paths, each once, without the messages.
func distinct(found []string) []string {
	paths := make([]string, len(found))
	for i, text := range found {
		paths[i], _, _ = strings.Cut(text, ": ")
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// SpecOf returns the spec of an object as JSON.
func SpecOf(t *testing.T, object *unstructured.Unstructured) []byte {
	t.Helper()
	if object == nil {
		return nil
	}
	text, err := json.Marshal(object.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	return text
}
