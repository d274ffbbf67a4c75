// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/crdify/pkg/config"
	"sigs.k8s.io/crdify/pkg/validations"
)

type (
	crd    = apiextensionsv1.CustomResourceDefinition
	schema = apiextensionsv1.JSONSchemaProps
)

// ownValidations are what crdify lacks; doc.go gives the reason for each.
func ownValidations() []validations.Validation {
	return []validations.Validation{
		validation[crd]{"spec.group", compareGroup},
		validation[crd]{"spec.names", compareNames},
		validation[crd]{"spec.versions", compareVersions},
		validation[schema]{"x-kubernetes-validations", compareRules},
		validation[schema]{"additionalProperties", compareValues},
	}
}

// validation is one of this package's. Its function returns what it finds; that of
// a schema also clears the keyword that it is about, as crdify requires.
type validation[T validations.Comparable] struct {
	name    string
	compare func(before, now *T) []string
}

func (v validation[T]) Name() string { return v.name }

// SetEnforcement does nothing: each finding is an error.
func (v validation[T]) SetEnforcement(config.EnforcementPolicy) {}

func (v validation[T]) Compare(before, now *T) validations.ComparisonResult {
	return validations.ComparisonResult{Name: v.name, Errors: v.compare(before, now)}
}

const none = "none"

// text is a value in JSON, or none.
func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	if string(encoded) == "null" {
		return none
	}
	return string(encoded)
}

// compareRules reports new CEL rules. It does not compare what a rule accepts.
func compareRules(before, now *schema) []string {
	var found []string
	for _, rule := range missing(rules(now), rules(before)) {
		found = append(found, fmt.Sprintf("new rule %q", rule))
	}
	before.XValidations, now.XValidations = nil, nil
	return found
}

func rules(s *schema) []string {
	var all []string
	for _, validation := range s.XValidations {
		rule := validation.Rule
		if ptr.Deref(validation.OptionalOldSelf, false) {
			rule += ", also on create"
		}
		all = append(all, rule)
	}
	return all
}

// compareValues clears schemas of a map's values that both have: crdify compares
// them under a path of their own and would report each difference here again.
func compareValues(before, now *schema) []string {
	was, is := before.AdditionalProperties, now.AdditionalProperties
	before.AdditionalProperties, now.AdditionalProperties = nil, nil
	if was != nil && is != nil && was.Schema != nil && is.Schema != nil || equality.Semantic.DeepEqual(was, is) {
		return nil
	}
	return []string{text(was) + " -> " + text(is)}
}

func compareGroup(before, now *crd) []string {
	return unequal("", before.Spec.Group, now.Spec.Group)
}

func compareNames(before, now *crd) []string {
	was, is := before.Spec.Names, now.Spec.Names
	found := append(unequal("kind ", was.Kind, is.Kind), unequal("plural ", was.Plural, is.Plural)...)
	for _, name := range missing(was.ShortNames, is.ShortNames) {
		found = append(found, "shortNames without "+name)
	}
	for _, name := range missing(was.Categories, is.Categories) {
		found = append(found, "categories without "+name)
	}
	return found
}

func unequal(what, before, now string) []string {
	if before == now {
		return nil
	}
	return []string{fmt.Sprintf("%s%q -> %q", what, before, now)}
}

// compareVersions is about versions and their subresources. crdify looks for
// versions only in status, which the CRDs in a repository do not have.
func compareVersions(before, now *crd) []string {
	var found []string
	for _, was := range before.Spec.Versions {
		is := validations.GetCRDVersionByName(now, was.Name)
		if is == nil || was.Served && !is.Served {
			found = append(found, was.Name+" is no longer served")
			continue
		}
		old := ptr.Deref(was.Subresources, apiextensionsv1.CustomResourceSubresources{})
		new := ptr.Deref(is.Subresources, apiextensionsv1.CustomResourceSubresources{})
		if old.Status != nil && new.Status == nil {
			found = append(found, was.Name+" without subresource status")
		}
		if old.Scale != nil && !equality.Semantic.DeepEqual(old.Scale, new.Scale) {
			found = append(found, was.Name+" with subresource scale removed or changed")
		}
	}
	return found
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
