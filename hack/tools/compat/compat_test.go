package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const bases = "../../../config/crd/bases"

// released is a CRD with each sort of rule that a change could tighten.
const released = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Thing, plural: things, shortNames: [th], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Count, type: integer, jsonPath: .count}
    schema:
      openAPIV3Schema:
        type: object
        required: [name]
        properties:
          name: {type: string, minLength: 2, maxLength: 8, pattern: ^a, enum: [aa, ab]}
          free: {type: string, nullable: true, default: x}
          count: {type: integer, format: int32, minimum: 1, maximum: 9}
          list:
            type: array
            maxItems: 4
            minItems: 1
            x-kubernetes-list-type: map
            x-kubernetes-list-map-keys: [key]
            items: {type: object, required: [key], properties: {key: {type: string, maxLength: 5}}}
          labels:
            type: object
            maxProperties: 3
            additionalProperties: {type: string, maxLength: 6}
          any: {type: object, x-kubernetes-preserve-unknown-fields: true}
          port: {x-kubernetes-int-or-string: true}
        x-kubernetes-validations:
        - {rule: self.count > 1, message: more than one}
`

func parse(t *testing.T, text string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(text), crd)).To(Succeed())
	return crd
}

// replacing returns a case that changes the text of the released CRD.
func replacing(before, now string) func(string) string {
	return func(text string) string { return strings.Replace(text, before, now, 1) }
}

func TestEachTighteningIsFound(t *testing.T) {
	cases := map[string]struct {
		change func(string) string
		want   string
	}{
		"scope":              {replacing("Namespaced", "Cluster"), "spec.scope: was Namespaced and is Cluster"},
		"group":              {replacing("group: example.com", "group: example.org"), "spec.group: was example.com and is example.org"},
		"kind":               {replacing("kind: Thing", "kind: Other"), "spec.names.kind: was Thing and is Other"},
		"plural":             {replacing("plural: things", "plural: stuff"), "spec.names.plural: was things and is stuff"},
		"short name":         {replacing("shortNames: [th]", "shortNames: []"), "spec.names.shortNames: th was removed"},
		"category":           {replacing("categories: [all]", "categories: []"), "spec.names.categories: all was removed"},
		"version removed":    {replacing("name: v1", "name: v2"), "version v1: is served no longer"},
		"version unserved":   {replacing("served: true", "served: false"), "version v1: is served no longer"},
		"status removed":     {replacing("subresources: {status: {}}", "subresources: {}"), "version v1: the subresource status was removed"},
		"field removed":      {replacing("free: {", "freed: {"), "version v1.free: was removed"},
		"nested removed":     {replacing("properties: {key: {", "properties: {keys: {"), "version v1.list[].key: was removed"},
		"field required":     {replacing("required: [name]", "required: [name, free]"), "version v1.free: is required, and was not"},
		"new field required": {replacing("required: [name]\n        properties:\n", "required: [name, fresh]\n        properties:\n          fresh: {type: string}\n"), "version v1.fresh: is required, and was not"},
		"type":               {replacing("count: {type: integer", "count: {type: number"), `version v1.count: was of type "integer" and is of type "number"`},
		"null":               {replacing("nullable: true", "nullable: false"), "version v1.free: may be null no longer"},
		"default":            {replacing("default: x", "default: z"), `version v1.free: the default was "x" and is "z"`},
		"enum value":         {replacing("[aa, ab]", "[aa]"), `version v1.name: "ab" was removed from the enum`},
		"new enum":           {replacing("free: {", "free: {enum: [x], "), "version v1.free: has an enum, and had none"},
		"pattern":            {replacing("pattern: ^a", "pattern: ^aa"), `version v1.name: the pattern was "^a" and is "^aa"`},
		"new pattern":        {replacing("free: {", "free: {pattern: ^x, "), `version v1.free: the pattern was "" and is "^x"`},
		"format":             {replacing("int32", "int64"), `version v1.count: the format was "int32" and is "int64"`},
		"maxLength":          {replacing("maxLength: 8", "maxLength: 7"), "version v1.name: maxLength was 8 and is 7"},
		"new maxLength":      {replacing("free: {", "free: {maxLength: 9, "), "version v1.free: maxLength is 9, and there was none"},
		"minLength":          {replacing("minLength: 2", "minLength: 3"), "version v1.name: minLength was 2 and is 3"},
		"new minLength":      {replacing("free: {", "free: {minLength: 1, "), "version v1.free: minLength is 1, and there was none"},
		"maximum":            {replacing("maximum: 9", "maximum: 8"), "version v1.count: maximum was 9 and is 8"},
		"exclusive maximum":  {replacing("maximum: 9", "maximum: 9, exclusiveMaximum: true"), "version v1.count: the maximum itself is allowed no longer"},
		"minimum":            {replacing("minimum: 1", "minimum: 2"), "version v1.count: minimum was 1 and is 2"},
		"exclusive minimum":  {replacing("minimum: 1", "minimum: 1, exclusiveMinimum: true"), "version v1.count: the minimum itself is allowed no longer"},
		"multipleOf":         {replacing("minimum: 1", "minimum: 1, multipleOf: 2"), "version v1.count: multipleOf was added or changed"},
		"maxItems":           {replacing("maxItems: 4", "maxItems: 3"), "version v1.list: maxItems was 4 and is 3"},
		"minItems":           {replacing("minItems: 1", "minItems: 2"), "version v1.list: minItems was 1 and is 2"},
		"unique items":       {replacing("minItems: 1", "minItems: 1\n            uniqueItems: true"), "version v1.list: items have to be unique"},
		"list type":          {replacing("list-type: map", "list-type: set"), "version v1.list: the list was map and is set"},
		"list keys":          {replacing("map-keys: [key]", "map-keys: [key, kind]"), `version v1.list: the list's keys were ["key"] and are ["key" "kind"]`},
		"items":              {replacing("maxLength: 5", "maxLength: 4"), "version v1.list[].key: maxLength was 5 and is 4"},
		"maxProperties":      {replacing("maxProperties: 3", "maxProperties: 2"), "version v1.labels: maxProperties was 3 and is 2"},
		"minProperties":      {replacing("maxProperties: 3", "maxProperties: 3\n            minProperties: 1"), "version v1.labels: minProperties is 1, and there was none"},
		"values of a map":    {replacing("maxLength: 6", "maxLength: 5"), "version v1.labels{}: maxLength was 6 and is 5"},
		"map type":           {replacing("maxProperties: 3", "maxProperties: 3\n            x-kubernetes-map-type: atomic"), "version v1.labels: x-kubernetes-map-type was changed"},
		"unknown fields":     {replacing("preserve-unknown-fields: true", "preserve-unknown-fields: false"), "version v1.any: keeps unknown fields no longer"},
		"int or string":      {replacing("x-kubernetes-int-or-string: true", "type: integer"), "version v1.port: takes either number or string no longer"},
		"rule":               {replacing("self.count > 1", "self.count > 2"), `version v1: the rule "self.count > 2" is new`},
		"new rule":           {replacing("free: {", "free: {x-kubernetes-validations: [{rule: self != 'y'}], "), `version v1.free: the rule "self != 'y'" is new`},
		"rule when created":  {replacing("- {rule: self.count > 1,", "- {rule: self.count > 1, optionalOldSelf: true,"), `version v1: the rule "self.count > 1, when created too" is new`},
		"list type default":  {replacing("            x-kubernetes-list-type: map\n            x-kubernetes-list-map-keys: [key]\n", ""), "version v1.list: the list was map and is atomic"},
		"allOf":              {replacing("free: {", "free: {allOf: [{maxLength: 3}], "), "version v1.free: allOf was added or changed"},
		"anyOf":              {replacing("free: {", "free: {anyOf: [{maxLength: 3}], "), "version v1.free: anyOf was added or changed"},
		"oneOf":              {replacing("free: {", "free: {oneOf: [{maxLength: 3}], "), "version v1.free: oneOf was added or changed"},
		"not":                {replacing("free: {", "free: {not: {maxLength: 3}, "), "version v1.free: not was added or changed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(compare(parse(t, released), parse(t, tc.change(released)))).To(ContainElement(tc.want))
		})
	}
}

func TestWideningIsNoFinding(t *testing.T) {
	cases := map[string]func(string) string{
		"nothing":        func(text string) string { return text },
		"new field":      replacing("free: {", "new: {type: string, maxLength: 3, enum: [a]}\n          free: {"),
		"not required":   replacing("required: [name]", "required: []"),
		"enum value":     replacing("[aa, ab]", "[aa, ab, ac]"),
		"no enum":        replacing(", enum: [aa, ab]", ""),
		"no pattern":     replacing(", pattern: ^a", ""),
		"wider limits":   replacing("minLength: 2, maxLength: 8", "minLength: 1, maxLength: 9"),
		"no limits":      replacing("minLength: 2, maxLength: 8, ", ""),
		"no rule":        replacing("- {rule: self.count > 1, message: more than one}", ""),
		"other message":  replacing("more than one", "two or more"),
		"new short name": replacing("[th]", "[th, tng]"),
		// Scripts have -o jsonpath: columns are for people.
		"no column":   replacing("- {name: Count, type: integer, jsonPath: .count}", ""),
		"new version": replacing("  versions:\n", "  versions:\n  - {name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}\n"),
		"description": replacing("free: {", "free: {description: free, "),
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(change(released) == released).To(Equal(name == "nothing"), "what is replaced has to be there")
			NewWithT(t).Expect(compare(parse(t, released), parse(t, change(released)))).To(BeEmpty())
		})
	}
}

// TestTodaysCRDsAsABaseline tightens a copy of the CRDs as they are in each of
// their schemas: the check reaches everything that it will have to guard.
func TestTodaysCRDsAsABaseline(t *testing.T) {
	today, err := readCRDs(bases)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(today).To(HaveLen(2))
	for name, crd := range today {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			tightened := crd.DeepCopy()
			g.Expect(compare(crd, tightened)).To(BeEmpty())
			count := tighten(tightened.Spec.Versions[0].Schema.OpenAPIV3Schema)
			g.Expect(count).To(BeNumerically(">", 30))
			g.Expect(compare(crd, tightened)).To(HaveLen(count))
		})
	}
}

// tighten adds a rule to a schema and to all inside it, and counts them.
func tighten(s *schema) int {
	s.XValidations = append(s.XValidations, apiextensionsv1.ValidationRule{Rule: "false"})
	count := 1
	for name, child := range s.Properties {
		count += tighten(&child)
		s.Properties[name] = child
	}
	if s.Items != nil {
		count += tighten(s.Items.Schema)
	}
	if s.AdditionalProperties != nil {
		count += tighten(s.AdditionalProperties.Schema)
	}
	return count
}

func TestRunComparesEachReleasedVersion(t *testing.T) {
	cases := map[string]struct {
		before, now string
		want        string
	}{
		"compatible":  {released, released, ""},
		"tightened":   {released, replacing("maxLength: 8", "maxLength: 7")(released), "since v0.9.0: things.example.com: version v1.name: maxLength was 8 and is 7"},
		"CRD removed": {released, replacing("things.example.com", "others.example.com")(released), "since v0.9.0: things.example.com: was removed"},
		"not a CRD":   {"kind: [", released, "released/v0.9.0/things.yaml"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g, dir := NewWithT(t), t.TempDir()
			for folder, text := range map[string]string{"released/v0.9.0": tc.before, "bases": tc.now} {
				g.Expect(os.MkdirAll(filepath.Join(dir, folder), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(filepath.Join(dir, folder, "things.yaml"), []byte(text), 0o600)).To(Succeed())
			}
			out := &strings.Builder{}
			err := run(dir, out)
			if tc.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(out.String()).To(Equal("v0.9.0: 0 findings\n"))
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}
