// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/crdify/pkg/config"
	"sigs.k8s.io/crdify/pkg/runner"
	"sigs.k8s.io/crdify/pkg/validations"
)

// policy makes crdify report what accepts less, and anything that it does not
// know.
var policy = &config.Config{
	UnhandledEnforcement: config.EnforcementPolicyError,
	Validations: []config.ValidationConfig{
		{Name: "description", Enforcement: config.EnforcementPolicyNone},
		{Name: "enum", Enforcement: config.EnforcementPolicyError, Configuration: map[string]any{"additionPolicy": "Allow"}},
		{Name: "nullable", Enforcement: config.EnforcementPolicyError, Configuration: map[string]any{"additionPolicy": "Allow"}},
		{Name: "pattern", Enforcement: config.EnforcementPolicyError, Configuration: map[string]any{"removalPolicy": "Allow"}},
	},
}

// compare returns what clients of the recorded CRD can no longer do with today's:
// what was removed and what accepts less. Each finding begins with the path that
// it is about.
func compare(recorded, today *apiextensionsv1.CustomResourceDefinition) ([]string, error) {
	crdify, err := runner.New(policy, registry())
	if err != nil {
		return nil, fmt.Errorf("configure crdify: %w", err)
	}
	results := crdify.Run(recorded, today)
	var found []string
	for _, result := range results.CRDValidation {
		found = appendErrors(found, "", result)
	}
	for _, version := range results.SameVersionValidation {
		remaining := validations.FlattenCRDVersion(*validations.GetCRDVersionByName(today, version.Version))
		for _, property := range version.PropertyComparisons {
			// A removed field is one finding, not one for each of its keywords.
			if remaining[property.Property] == nil {
				continue
			}
			// crdify names the root of the schema "^".
			path := "version " + version.Version + strings.TrimPrefix(property.Property, "^") + ": "
			for _, result := range property.ComparisonResults {
				found = appendErrors(found, path, result)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

func appendErrors(found []string, path string, result validations.ComparisonResult) []string {
	for _, text := range result.Errors {
		found = append(found, path+result.Name+": "+text)
	}
	return found
}

// registry has the validations of crdify and those of this package.
func registry() validations.Registry {
	all, crdify := validations.NewRegistry(), runner.DefaultRegistry()
	for _, name := range crdify.Registered() {
		all.Register(name, func(config map[string]any) (validations.Validation, error) { return crdify.Validation(name, config) })
	}
	for _, own := range ownValidations() {
		all.Register(own.Name(), func(map[string]any) (validations.Validation, error) { return own, nil })
	}
	return all
}
