// SPDX-License-Identifier: Apache-2.0

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

// recorded is a CRD with each sort of rule that a change could tighten.
const recorded = `
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
    subresources: {status: {}, scale: {specReplicasPath: .count, statusReplicasPath: .count}}
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

// replacing returns a case that changes the text of the recorded CRD.
func replacing(before, now string) func(string) string {
	return func(text string) string { return strings.Replace(text, before, now, 1) }
}

// unhandled begins what crdify reports of a keyword that no validation knows; a
// difference of both schemas follows.
func unhandled(path string) string { return "version v1" + path + ": unhandled: " }

// tightenings change the recorded CRD so that it accepts less. Each finding begins
// as wanted.
var tightenings = map[string]struct {
	change func(string) string
	want   string
}{
	"scope":              {replacing("Namespaced", "Cluster"), `scope: scope changed : "Namespaced" -> "Cluster"`},
	"group":              {replacing("group: example.com", "group: example.org"), `spec.group: "example.com" -> "example.org"`},
	"kind":               {replacing("kind: Thing", "kind: Other"), `spec.names: kind "Thing" -> "Other"`},
	"plural":             {replacing("plural: things", "plural: stuff"), `spec.names: plural "things" -> "stuff"`},
	"short name":         {replacing("shortNames: [th]", "shortNames: []"), "spec.names: shortNames without th"},
	"category":           {replacing("categories: [all]", "categories: []"), "spec.names: categories without all"},
	"version removed":    {replacing("name: v1", "name: v2"), "spec.versions: v1 is no longer served"},
	"version unserved":   {replacing("served: true", "served: false"), "spec.versions: v1 is no longer served"},
	"status removed":     {replacing("{status: {}, ", "{"), "spec.versions: v1 without subresource status"},
	"scale removed":      {replacing(", scale: {specReplicasPath: .count, statusReplicasPath: .count}", ""), "spec.versions: v1 with subresource scale removed or changed"},
	"scale changed":      {replacing("specReplicasPath: .count", "specReplicasPath: .port"), "spec.versions: v1 with subresource scale removed or changed"},
	"field removed":      {replacing("free: {", "freed: {"), "existingFieldRemoval: removed field : v1.^.free"},
	"nested removed":     {replacing("properties: {key: {", "properties: {keys: {"), "existingFieldRemoval: removed field : v1.^.list.items.key"},
	"field required":     {replacing("required: [name]", "required: [name, free]"), "version v1: required: new required fields: [free]"},
	"new field required": {replacing("required: [name]\n        properties:\n", "required: [name, fresh]\n        properties:\n          fresh: {type: string}\n"), "version v1: required: new required fields: [fresh]"},
	"type":               {replacing("count: {type: integer", "count: {type: number"), `version v1.count: type: type changed : "integer" -> "number"`},
	"null":               {replacing("nullable: true", "nullable: false"), "version v1.free: nullable: nullable removed : true -> false"},
	"default":            {replacing("default: x", "default: z"), `version v1.free: default: default value changed : "\"x\"" -> "\"z\""`},
	"enum value":         {replacing("[aa, ab]", "[aa]"), `version v1.name: enum: allowed enum values removed : ["ab"]`},
	"new enum":           {replacing("free: {", "free: {enum: [x], "), `version v1.free: enum: enum constraint added when there was none previously : ["x"]`},
	"pattern":            {replacing("pattern: ^a", "pattern: ^aa"), `version v1.name: pattern: pattern changed : "^a" -> "^aa"`},
	"new pattern":        {replacing("free: {", "free: {pattern: ^x, "), `version v1.free: pattern: pattern added : "" -> "^x"`},
	"format":             {replacing("int32", "int64"), unhandled(".count")},
	"maxLength":          {replacing("maxLength: 8", "maxLength: 7"), "version v1.name: maxLength: maximum decreased : 8 -> 7"},
	"new maxLength":      {replacing("free: {", "free: {maxLength: 9, "), "version v1.free: maxLength: maximum constraint added when there was none previously : 9"},
	"minLength":          {replacing("minLength: 2", "minLength: 3"), "version v1.name: minLength: minimum increased : 2 -> 3"},
	"new minLength":      {replacing("free: {", "free: {minLength: 1, "), "version v1.free: minLength: minimum constraint added when there was none previously : 1"},
	"maximum":            {replacing("maximum: 9", "maximum: 8"), "version v1.count: maximum: maximum decreased : 9 -> 8"},
	"exclusive maximum":  {replacing("maximum: 9", "maximum: 9, exclusiveMaximum: true"), unhandled(".count")},
	"minimum":            {replacing("minimum: 1", "minimum: 2"), "version v1.count: minimum: minimum increased : 1 -> 2"},
	"exclusive minimum":  {replacing("minimum: 1", "minimum: 1, exclusiveMinimum: true"), unhandled(".count")},
	"multipleOf":         {replacing("minimum: 1", "minimum: 1, multipleOf: 2"), unhandled(".count")},
	"maxItems":           {replacing("maxItems: 4", "maxItems: 3"), "version v1.list: maxItems: maximum decreased : 4 -> 3"},
	"minItems":           {replacing("minItems: 1", "minItems: 2"), "version v1.list: minItems: minimum increased : 1 -> 2"},
	"unique items":       {replacing("minItems: 1", "minItems: 1\n            uniqueItems: true"), unhandled(".list")},
	"list type":          {replacing("list-type: map", "list-type: set"), unhandled(".list")},
	"list keys":          {replacing("map-keys: [key]", "map-keys: [key, kind]"), unhandled(".list")},
	"items":              {replacing("maxLength: 5", "maxLength: 4"), "version v1.list.items.key: maxLength: maximum decreased : 5 -> 4"},
	"maxProperties":      {replacing("maxProperties: 3", "maxProperties: 2"), "version v1.labels: maxProperties: maximum decreased : 3 -> 2"},
	"minProperties":      {replacing("maxProperties: 3", "maxProperties: 3\n            minProperties: 1"), "version v1.labels: minProperties: minimum constraint added when there was none previously : 1"},
	"values of a map":    {replacing("maxLength: 6", "maxLength: 5"), "version v1.labels.additionalProperties: maxLength: maximum decreased : 6 -> 5"},
	"no values of a map": {replacing("            additionalProperties: {type: string, maxLength: 6}\n", ""), `version v1.labels: additionalProperties: {"type":"string","maxLength":6} -> none`},
	"map type":           {replacing("maxProperties: 3", "maxProperties: 3\n            x-kubernetes-map-type: atomic"), unhandled(".labels")},
	"unknown fields":     {replacing("preserve-unknown-fields: true", "preserve-unknown-fields: false"), unhandled(".any")},
	"int or string":      {replacing("x-kubernetes-int-or-string: true", "type: integer"), unhandled(".port")},
	"rule":               {replacing("self.count > 1", "self.count > 2"), `version v1: x-kubernetes-validations: new rule "self.count > 2"`},
	"new rule":           {replacing("free: {", "free: {x-kubernetes-validations: [{rule: self != 'y'}], "), `version v1.free: x-kubernetes-validations: new rule "self != 'y'"`},
	"rule when created":  {replacing("- {rule: self.count > 1,", "- {rule: self.count > 1, optionalOldSelf: true,"), `version v1: x-kubernetes-validations: new rule "self.count > 1, also on create"`},
	"list type default":  {replacing("            x-kubernetes-list-type: map\n            x-kubernetes-list-map-keys: [key]\n", ""), unhandled(".list")},
	"allOf":              {replacing("free: {", "free: {allOf: [{maxLength: 3}], "), unhandled(".free")},
	"anyOf":              {replacing("free: {", "free: {anyOf: [{maxLength: 3}], "), unhandled(".free")},
	"oneOf":              {replacing("free: {", "free: {oneOf: [{maxLength: 3}], "), unhandled(".free")},
	"not":                {replacing("free: {", "free: {not: {maxLength: 3}, "), unhandled(".free")},
}

func TestEachTighteningIsFound(t *testing.T) {
	for name, tc := range tightenings {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(compare(parse(t, recorded), parse(t, tc.change(recorded)))).To(ContainElement(HavePrefix(tc.want)))
		})
	}
}

func TestWideningIsNoFinding(t *testing.T) {
	cases := map[string]func(string) string{
		"nothing":        func(text string) string { return text },
		"new field":      replacing("free: {", "new: {type: string, maxLength: 3, enum: [a]}\n          free: {"),
		"not required":   replacing("required: [name]", "required: []"),
		"enum value":     replacing("[aa, ab]", "[aa, ab, ac]"),
		"values of maps": replacing("maxLength: 6", "maxLength: 7"),
		"null":           replacing("name: {type: string, ", "name: {type: string, nullable: true, "),
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
			g := NewWithT(t)
			if name != "nothing" {
				g.Expect(change(recorded)).NotTo(Equal(recorded), "the text to replace does not occur")
			}
			g.Expect(compare(parse(t, recorded), parse(t, change(recorded)))).To(BeEmpty())
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

// TestAnUnknownChangeIsFound changes what no validation is about.
func TestAnUnknownChangeIsFound(t *testing.T) {
	g := NewWithT(t)
	found, err := compare(parse(t, recorded), parse(t, replacing("free: {", "free: {title: free, ")(recorded)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(And(HavePrefix("version v1.free: unhandled: "), ContainSubstring(`"free"`))))
}

func TestARemovedFieldIsOneFinding(t *testing.T) {
	g := NewWithT(t)
	found, err := compare(parse(t, recorded), parse(t, replacing("count: {", "counts: {")(recorded)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]string{"existingFieldRemoval: removed field : v1.^.count"}))
}

func TestRunComparesEachReleasedVersion(t *testing.T) {
	cases := map[string]struct {
		before, now string
		want        string
	}{
		"compatible":  {recorded, recorded, ""},
		"tightened":   {recorded, replacing("maxLength: 8", "maxLength: 7")(recorded), "since v0.9.0: things.example.com: version v1.name: maxLength: maximum decreased : 8 -> 7"},
		"CRD removed": {recorded, replacing("things.example.com", "others.example.com")(recorded), "since v0.9.0: things.example.com: was removed"},
		"no schema":   {recorded[:strings.Index(recorded, "    schema:\n")], recorded, "version v1 has no schema"},
		"not a CRD":   {"kind: [", recorded, "recorded/v0.9.0/things.yaml"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g, dir := NewWithT(t), t.TempDir()
			for folder, text := range map[string]string{"recorded/v0.9.0": tc.before, "bases": tc.now} {
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
