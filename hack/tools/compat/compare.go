package main

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// compare returns what clients of the released CRD can no longer do with
// today's: what was removed, and what accepts less. Each finding begins with
// the path of what it is about.
func compare(released, today *apiextensionsv1.CustomResourceDefinition) []string {
	var found findings
	found.when(released.Spec.Group != today.Spec.Group, "spec.group", "was %s and is %s", released.Spec.Group, today.Spec.Group)
	found.when(released.Spec.Scope != today.Spec.Scope, "spec.scope", "was %s and is %s", released.Spec.Scope, today.Spec.Scope)
	found.compareNames(released.Spec.Names, today.Spec.Names)
	for _, before := range released.Spec.Versions {
		path := "version " + before.Name
		now := version(today, before.Name)
		if now == nil || before.Served && !now.Served {
			found.add(path, "is served no longer")
			continue
		}
		found.compareSubresources(path, before.Subresources, now.Subresources)
		if before.Schema != nil && now.Schema != nil {
			found.compareSchema(path, before.Schema.OpenAPIV3Schema, now.Schema.OpenAPIV3Schema)
		}
	}
	return found
}

// findings collects what compare finds.
type findings []string

func (f *findings) add(path, format string, args ...any) {
	*f = append(*f, path+": "+fmt.Sprintf(format, args...))
}

func (f *findings) when(wrong bool, path, format string, args ...any) {
	if wrong {
		f.add(path, format, args...)
	}
}

func version(crd *apiextensionsv1.CustomResourceDefinition, name string) *apiextensionsv1.CustomResourceDefinitionVersion {
	for i := range crd.Spec.Versions {
		if crd.Spec.Versions[i].Name == name {
			return &crd.Spec.Versions[i]
		}
	}
	return nil
}

func (f *findings) compareNames(before, now apiextensionsv1.CustomResourceDefinitionNames) {
	f.when(before.Kind != now.Kind, "spec.names.kind", "was %s and is %s", before.Kind, now.Kind)
	f.when(before.Plural != now.Plural, "spec.names.plural", "was %s and is %s", before.Plural, now.Plural)
	for _, name := range missing(before.ShortNames, now.ShortNames) {
		f.add("spec.names.shortNames", "%s was removed", name)
	}
	for _, name := range missing(before.Categories, now.Categories) {
		f.add("spec.names.categories", "%s was removed", name)
	}
}

func (f *findings) compareSubresources(path string, before, now *apiextensionsv1.CustomResourceSubresources) {
	if before == nil {
		before = &apiextensionsv1.CustomResourceSubresources{}
	}
	if now == nil {
		now = &apiextensionsv1.CustomResourceSubresources{}
	}
	f.when(before.Status != nil && now.Status == nil, path, "the subresource status was removed")
	f.when(before.Scale != nil && !equality.Semantic.DeepEqual(before.Scale, now.Scale), path, "the subresource scale was removed or changed")
}

// missing are the values of before that now lacks.
func missing[T comparable](before, now []T) []T {
	has := map[T]bool{}
	for _, value := range now {
		has[value] = true
	}
	var gone []T
	for _, value := range before {
		if !has[value] {
			gone = append(gone, value)
		}
	}
	return gone
}
