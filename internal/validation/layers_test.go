// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

// testCase is a row of the table: what is set in a base object, and what both
// layers report.
type testCase struct {
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

func table(t *testing.T) []testCase {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	var cases []testCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rows []testCase
		if err := yaml.UnmarshalStrict(text, &rows); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		cases = append(cases, rows...)
	}
	return cases
}

func (c testCase) base() *unstructured.Unstructured {
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

// objects returns the object before an update, or nil, and the one to check.
func (c testCase) objects(t *testing.T) (old, object *unstructured.Unstructured) {
	t.Helper()
	object = c.base()
	if c.Old != nil {
		old = put(t, object, c.Old)
		object = old
	}
	return old, put(t, object, c.Set)
}

// validateInGo checks the Go rules.
func validateInGo(t *testing.T, old, object *unstructured.Unstructured) field.ErrorList {
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

func TestGoRules(t *testing.T) {
	for _, c := range table(t) {
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			if c.SchemaOnly != "" {
				return // only the schema can check it
			}
			old, object := c.objects(t)
			var found []string
			for _, err := range validateInGo(t, old, object) {
				found = append(found, err.Field+": "+err.Detail)
			}
			compare(t, c, found)
		})
	}
}

// compare expects no error, or errors only at the path, one of them with the message.
func compare(t *testing.T, c testCase, found []string) {
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

func TestAPIServer(t *testing.T) {
	_, server := server(t)
	for _, c := range table(t) {
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			old, object := c.objects(t)
			found := causes(t, validateOnServer(t.Context(), t, server, old, object))
			compare(t, c, found)
			sameAsSchema(t, old, object, found)
		})
	}
}

// validateOnServer lets the API server check an object without keeping it.
func validateOnServer(ctx context.Context, t *testing.T, server client.Client, old, object *unstructured.Unstructured) error {
	t.Helper()
	if old == nil {
		return server.Create(ctx, object.DeepCopy(), client.DryRunAll)
	}
	old, object = old.DeepCopy(), object.DeepCopy()
	if err := server.Create(ctx, old); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Delete(context.WithoutCancel(ctx), old); err != nil {
			t.Error(err)
		}
	}()
	object.SetResourceVersion(old.GetResourceVersion())
	object.SetUID(old.GetUID())
	return server.Update(ctx, object, client.DryRunAll)
}

func causes(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason != metav1.StatusReasonInvalid {
		t.Fatalf("answered %v, want Invalid", err)
	}
	var found []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Field != "<nil>" {
			found = append(found, cause.Field+": "+cause.Message)
		}
	}
	slices.Sort(found)
	return found
}
