package main

import (
	"cmp"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

type schema = apiextensionsv1.JSONSchemaProps

// compareSchema descends into both schemas. Where it cannot be told whether a
// rule accepts less (a pattern, a CEL rule, a combination of schemas), a change
// is a finding: somebody has to look.
func (f *findings) compareSchema(path string, before, now *schema) {
	if before == nil || now == nil {
		f.when(before != nil, path, "the schema was removed")
		f.when(now != nil, path, "has a schema, and had none")
		return
	}
	f.when(before.Type != now.Type, path, "was of type %q and is of type %q", before.Type, now.Type)
	f.when(before.Nullable && !now.Nullable, path, "may be null no longer")
	f.when(isTrue(before.XPreserveUnknownFields) && !isTrue(now.XPreserveUnknownFields), path, "keeps unknown fields no longer")
	f.when(before.XIntOrString && !now.XIntOrString, path, "takes either number or string no longer")
	f.compareValues(path, before, now)
	f.compareLimits(path, before, now)
	f.compareRules(path, before, now)
	f.compareChildren(path, before, now)
}

func isTrue(value *bool) bool { return value != nil && *value }

// compareValues is about what a single value may be.
func (f *findings) compareValues(path string, before, now *schema) {
	if len(now.Enum) > 0 {
		f.when(len(before.Enum) == 0, path, "has an enum, and had none")
		for _, value := range missing(texts(before.Enum), texts(now.Enum)) {
			f.add(path, "%s was removed from the enum", value)
		}
	}
	f.when(now.Pattern != "" && before.Pattern != now.Pattern, path, "the pattern was %q and is %q", before.Pattern, now.Pattern)
	f.when(now.Format != "" && before.Format != now.Format, path, "the format was %q and is %q", before.Format, now.Format)
	f.when(!equality.Semantic.DeepEqual(before.Default, now.Default), path, "the default was %s and is %s", text(before.Default), text(now.Default))
}

func texts(values []apiextensionsv1.JSON) []string {
	var all []string
	for _, value := range values {
		all = append(all, string(value.Raw))
	}
	return all
}

func text(value *apiextensionsv1.JSON) string {
	if value == nil {
		return "none"
	}
	return string(value.Raw)
}

// compareLimits is about sizes and numbers.
func (f *findings) compareLimits(path string, before, now *schema) {
	lowered(f, path, "maxLength", before.MaxLength, now.MaxLength)
	lowered(f, path, "maxItems", before.MaxItems, now.MaxItems)
	lowered(f, path, "maxProperties", before.MaxProperties, now.MaxProperties)
	lowered(f, path, "maximum", before.Maximum, now.Maximum)
	raised(f, path, "minLength", before.MinLength, now.MinLength)
	raised(f, path, "minItems", before.MinItems, now.MinItems)
	raised(f, path, "minProperties", before.MinProperties, now.MinProperties)
	raised(f, path, "minimum", before.Minimum, now.Minimum)
	f.when(now.ExclusiveMaximum && !before.ExclusiveMaximum, path, "the maximum itself is allowed no longer")
	f.when(now.ExclusiveMinimum && !before.ExclusiveMinimum, path, "the minimum itself is allowed no longer")
	f.when(now.UniqueItems && !before.UniqueItems, path, "items have to be unique")
	f.when(now.MultipleOf != nil && !equality.Semantic.DeepEqual(before.MultipleOf, now.MultipleOf), path, "multipleOf was added or changed")
}

func lowered[T cmp.Ordered](f *findings, path, limit string, before, now *T) {
	if now != nil && before == nil {
		f.add(path, "%s is %v, and there was none", limit, *now)
	} else if now != nil && *now < *before {
		f.add(path, "%s was %v and is %v", limit, *before, *now)
	}
}

func raised[T cmp.Ordered](f *findings, path, limit string, before, now *T) {
	if now != nil && before == nil {
		f.add(path, "%s is %v, and there was none", limit, *now)
	} else if now != nil && *now > *before {
		f.add(path, "%s was %v and is %v", limit, *before, *now)
	}
}

// compareRules is about CEL, how lists merge, and combinations of schemas.
func (f *findings) compareRules(path string, before, now *schema) {
	for _, rule := range missing(rules(now), rules(before)) {
		f.add(path, "the rule %q is new", rule)
	}
	f.when(listType(before) != listType(now), path, "the list was %s and is %s", listType(before), listType(now))
	f.when(!slices.Equal(before.XListMapKeys, now.XListMapKeys), path, "the list's keys were %q and are %q", before.XListMapKeys, now.XListMapKeys)
	f.when(!equality.Semantic.DeepEqual(before.XMapType, now.XMapType), path, "x-kubernetes-map-type was changed")
	f.when(len(now.AllOf) > 0 && !equality.Semantic.DeepEqual(before.AllOf, now.AllOf), path, "allOf was added or changed")
	f.when(len(now.AnyOf) > 0 && !equality.Semantic.DeepEqual(before.AnyOf, now.AnyOf), path, "anyOf was added or changed")
	f.when(len(now.OneOf) > 0 && !equality.Semantic.DeepEqual(before.OneOf, now.OneOf), path, "oneOf was added or changed")
	f.when(now.Not != nil && !equality.Semantic.DeepEqual(before.Not, now.Not), path, "not was added or changed")
}

func rules(s *schema) []string {
	var all []string
	for _, validation := range s.XValidations {
		rule := validation.Rule
		if isTrue(validation.OptionalOldSelf) {
			rule += ", when created too"
		}
		all = append(all, rule)
	}
	return all
}

func listType(s *schema) string {
	if s.XListType == nil {
		return "atomic"
	}
	return *s.XListType
}

// compareChildren is about fields, items and values of maps.
func (f *findings) compareChildren(path string, before, now *schema) {
	for _, name := range missing(now.Required, before.Required) {
		f.add(path+"."+name, "is required, and was not")
	}
	for _, name := range slices.Sorted(maps.Keys(before.Properties)) {
		was := before.Properties[name]
		if is, there := now.Properties[name]; there {
			f.compareSchema(path+"."+name, &was, &is)
		} else {
			f.add(path+"."+name, "was removed")
		}
	}
	if before.Items != nil || now.Items != nil {
		f.compareSchema(path+"[]", items(before), items(now))
	}
	if before.AdditionalProperties != nil || now.AdditionalProperties != nil {
		f.compareSchema(path+"{}", values(before), values(now))
	}
}

func items(s *schema) *schema {
	if s.Items == nil {
		return nil
	}
	return s.Items.Schema
}

func values(s *schema) *schema {
	if s.AdditionalProperties == nil {
		return nil
	}
	return s.AdditionalProperties.Schema
}
