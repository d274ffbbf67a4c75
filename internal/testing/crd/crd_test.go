// SPDX-License-Identifier: Apache-2.0

package crd_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/crd"
)

const things = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [name]
            maxProperties: 4
            properties:
              name: {type: string, maxLength: 8}
              size: {type: integer, default: 3}
              tags:
                type: array
                maxItems: 4
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [key]
                items:
                  type: object
                  required: [key]
                  properties:
                    key: {type: string, maxLength: 16}
              fixed:
                type: string
                x-kubernetes-validations:
                - {rule: self == oldSelf, message: fixed is immutable, reason: FieldValueForbidden}
            x-kubernetes-validations:
            - {rule: self.name != 'odd' || self.size > 3, message: odd needs a size above 3, fieldPath: .size}
          status:
            type: object
            properties:
              phase: {type: string, enum: [Good]}
        x-kubernetes-validations:
        - {rule: has(self.status) || !has(oldSelf.status), message: status stays}
`

func TestShippedCRDsAreAccepted(t *testing.T) {
	files, err := filepath.Glob("../../../config/crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("find CRDs: %v, %v", files, err)
	}
	for _, file := range files {
		if _, err := crd.Load(file); err != nil {
			t.Error(err)
		}
	}
}

func TestLoadRefusesWhatTheAPIServerRefuses(t *testing.T) {
	cases := map[string]struct{ before, after, want string }{
		"rule over the cost budget":   {"maxItems: 4", `x-kubernetes-validations: [{rule: "self.all(a, self.all(b, a.key == b.key))"}]`, "estimated rule cost exceeds budget"},
		"rule that does not compile":  {"self == oldSelf", "self == other", "undeclared reference to 'other'"},
		"schema that is not complete": {"phase: {type: string, ", "phase: {", "type: Required value"},
		"default of another type":     {"default: 3", "default: three", "must be of type integer"},
		"key that is not required":    {"required: [key]", "required: []", "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"},
		"no storage version":          {"storage: true", "storage: false", "must have exactly one version marked as storage version"},
		"no schema":                   {things[strings.Index(things, "    schema:"):], "", "spec.versions[0].schema.openAPIV3Schema: Required value"},
		"no version":                  {things[strings.Index(things, "  versions:"):], "", "must have exactly one version marked as storage version"},
		"unknown field":               {"served: true", "serves: true", `unknown field "serves"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(things, tc.before, tc.after, 1)
			if changed == things {
				t.Fatalf("%q does not occur", tc.before)
			}
			_, err := crd.Load(write(t, changed))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := crd.Load("missing.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a missing file", err)
	}
}

func TestValidateAnswersAsTheAPIServer(t *testing.T) {
	const unchecked = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
	const subdomain = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
	cases := map[string]struct {
		old, object string
		want        []string
	}{
		"valid":                     {object: `spec: {name: a}`},
		"unknown field is pruned":   {object: `spec: {name: a, b: 1, c: 1, d: 1, e: 1}`},
		"null is pruned":            {object: `spec: {name: a, fixed: null}`},
		"required field":            {object: `spec: {}`, want: []string{"spec.name: Required value", unchecked}},
		"wrong type":                {object: `spec: {name: 1}`, want: []string{`spec.name: Invalid value: "integer": spec.name in body must be of type string: "integer"`, unchecked}},
		"too long":                  {object: `spec: {name: aaaaaaaaa}`, want: []string{"spec.name: Too long: may not be more than 8 bytes", unchecked}},
		"rule sees the default":     {object: `spec: {name: odd}`, want: []string{"spec.size: Invalid value: odd needs a size above 3"}},
		"rule holds":                {object: `spec: {name: odd, size: 4}`},
		"duplicate map key":         {object: `spec: {name: a, tags: [{key: x}, {key: x}]}`, want: []string{`spec.tags[1]: Duplicate value: {"key":"x"}`}},
		"status is reset on create": {object: "spec: {name: a}\nstatus: {phase: Bad}"},
		"name":                      {object: "metadata: {name: A, namespace: default}\nspec: {name: a}", want: []string{`metadata.name: Invalid value: "A": ` + subdomain}},
		"no namespace":              {object: "metadata: {name: a}\nspec: {name: a}", want: []string{"metadata.namespace: Required value", unchecked}},
		"kind":                      {object: "kind: Other\nspec: {name: a}", want: []string{`kind: Invalid value: "example.com/v1, Kind=Other": must be example.com/v1, Kind=Thing`}},
		"update":                    {old: `spec: {name: a}`, object: `spec: {name: b}`},
		"metadata of the server stays": {
			old:    "metadata: {name: thing, namespace: default, uid: u, generation: 3, creationTimestamp: '2026-01-02T03:04:05Z', deletionTimestamp: '2026-01-02T03:04:06Z', deletionGracePeriodSeconds: 1, finalizers: [a/b]}\nspec: {name: a}",
			object: "metadata: {name: thing, namespace: default, finalizers: [a/b]}\nspec: {name: b}",
		},
		"name is immutable":           {old: "spec: {name: a}", object: "metadata: {name: other, namespace: default}\nspec: {name: a}", want: []string{`metadata.name: Invalid value: "other": field is immutable`}},
		"transition rule":             {old: `spec: {name: a, fixed: x}`, object: `spec: {name: a, fixed: z}`, want: []string{"spec.fixed: Forbidden: fixed is immutable"}},
		"transition rule without old": {old: `spec: {name: a}`, object: `spec: {name: a, fixed: z}`},
		"status is reset on update":   {old: "spec: {name: a}", object: "spec: {name: b}\nstatus: {phase: Bad}"},
		"status stays on update":      {old: "spec: {name: a}\nstatus: {phase: Good}", object: "spec: {name: b}"},
		"status is kept on update":    {old: "spec: {name: a}\nstatus: {phase: Good}", object: "spec: {name: b}\nstatus: {phase: Bad}"},
		"ratcheting of the schema":    {old: `spec: {name: aaaaaaaaa}`, object: `spec: {name: aaaaaaaaa, size: 9}`},
		"no ratcheting of a change":   {old: `spec: {name: aaaaaaaaa}`, object: `spec: {name: bbbbbbbbb}`, want: []string{"spec.name: Too long: may not be more than 8 bytes", unchecked}},
		"ratcheting of a rule":        {old: `spec: {name: odd}`, object: "metadata: {name: thing, namespace: default, labels: {a: b}}\nspec: {name: odd}"},
		"no ratcheting of a rule":     {old: `spec: {name: odd}`, object: `spec: {name: odd, size: 2}`, want: []string{"spec.size: Invalid value: odd needs a size above 3"}},
		"ratcheting of a list":        {old: `spec: {name: a, tags: [{key: x}, {key: x}]}`, object: `spec: {name: b, tags: [{key: z}, {key: z}]}`},
		"no ratcheting of a list":     {old: `spec: {name: a, tags: [{key: x}]}`, object: `spec: {name: a, tags: [{key: z}, {key: z}]}`, want: []string{`spec.tags[1]: Duplicate value: {"key":"z"}`}},
	}
	evaluator, err := crd.Load(write(t, things))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var old *unstructured.Unstructured
			if tc.old != "" {
				old = thing(t, tc.old)
			}
			var got []string
			for _, err := range evaluator.Validate(t.Context(), thing(t, tc.object), old) {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidateChangesNothing(t *testing.T) {
	evaluator, err := crd.Load(write(t, things))
	if err != nil {
		t.Fatal(err)
	}
	old, object := thing(t, "spec: {name: a, extra: 1}"), thing(t, "spec: {name: b, extra: 1}\nstatus: {phase: Bad}")
	oldBefore, objectBefore := old.DeepCopy(), object.DeepCopy()
	evaluator.Validate(t.Context(), object, old)
	if diff := cmp.Diff(oldBefore, old) + cmp.Diff(objectBefore, object); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "crd.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// thing returns an object of the kind, with these fields.
func thing(t *testing.T, fields string) *unstructured.Unstructured {
	t.Helper()
	object := map[string]any{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"name": "thing", "namespace": "default"}}
	encoded, err := yaml.YAMLToJSON([]byte(fields))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{}
	if err := json.Unmarshal(encoded, &given); err != nil {
		t.Fatal(err)
	}
	maps.Copy(object, given)
	return &unstructured.Unstructured{Object: object}
}
