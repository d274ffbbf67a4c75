// SPDX-License-Identifier: Apache-2.0

package view

import (
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// MissingFields returns the fields of spec and status in a type that the schema of
// a CRD lacks: the CRD is of an older version.
func MissingFields(crd *unstructured.Unstructured, version string, object any) []string {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, entry := range versions {
		fields, ok := entry.(map[string]any)
		if !ok || fields["name"] != version {
			continue
		}
		properties, _, _ := unstructured.NestedMap(fields, "schema", "openAPIV3Schema", "properties")
		return missing("", reflect.TypeOf(object), properties, []string{"spec", "status"})
	}
	return []string{version}
}

// missing compares a struct with the schema's properties, including structs of the
// same package. Only the named fields are compared, or all without names.
func missing(path string, object reflect.Type, properties map[string]any, only []string) []string {
	var found []string
	for i := range object.NumField() {
		field := object.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		property, ok := properties[name].(map[string]any)
		if !ok {
			found = append(found, path+name)
			continue
		}
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == object.PkgPath() {
			properties, _, _ := unstructured.NestedMap(property, "properties")
			found = append(found, missing(path+name+".", inner, properties, nil)...)
		}
	}
	return found
}
