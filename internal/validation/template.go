// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"maps"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	maxTemplateEntries = 32
	maxQualifiedName   = 317
)

var (
	labelValue      = text{0, 63, regexp.MustCompile(`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`), "must consist of letters, digits, dashes, underscores and dots, starting and ending with a letter or digit"}
	annotationValue = text{max: 4096}

	qualifiedName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	trackingKeys  = []string{"app.kubernetes.io/managed-by", "app.kubernetes.io/instance"}
	trackingGroup = regexp.MustCompile(`^(.*[.])?(signet[.]dev|argoproj[.]io|fluxcd[.]io|helm[.]sh|kubectl[.]kubernetes[.]io|applyset[.]kubernetes[.]io|config[.]kubernetes[.]io|config[.]k8s[.]io)/`)
)

func secretTemplate(path *field.Path, template *signetv1alpha1.SecretTemplate, old oldValue[signetv1alpha1.SecretTemplate]) field.ErrorList {
	type templateSpec = signetv1alpha1.SecretTemplate
	labels, annotations := path.Child("labels"), path.Child("annotations")
	errs := join(
		templateValues(labels, template.Labels, labelValue,
			oldField(old, func(t *templateSpec) *map[string]signetv1alpha1.LabelValue { return &t.Labels })),
		templateValues(annotations, template.Annotations, annotationValue,
			oldField(old, func(t *templateSpec) *map[string]signetv1alpha1.AnnotationValue { return &t.Annotations })),
	)
	if blocking(errs) || old.unchanged(*template) {
		return errs
	}
	return join(
		errs,
		templateKeys(labels, slices.Sorted(maps.Keys(template.Labels))),
		templateKeys(annotations, slices.Sorted(maps.Keys(template.Annotations))),
	)
}

// templateValues reports errors at the key of a value, below the map.
func templateValues[V ~string](path *field.Path, values map[string]V, limits text, old oldValue[map[string]V]) field.ErrorList {
	if old.unchanged(values) {
		return nil
	}
	if len(values) > maxTemplateEntries {
		return field.ErrorList{field.TooMany(path, len(values), maxTemplateEntries)}
	}
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(values)) {
		previous := oldValue[string]{}
		if old.value != nil {
			if value, found := (*old.value)[key]; found {
				text := string(value)
				previous.value = &text
			}
		}
		errs = append(errs, limits.required(path.Child(key), string(values[key]), previous)...)
	}
	return errs
}

// templateKeys reports errors at the map, once for each rule.
func templateKeys(path *field.Path, keys []string) field.ErrorList {
	wellFormed, free := true, true
	for _, key := range keys {
		wellFormed = wellFormed && len(key) <= maxQualifiedName && qualifiedName.MatchString(key)
		free = free && !slices.Contains(trackingKeys, key) && !trackingGroup.MatchString(key)
	}
	return join(
		rule(wellFormed, field.Invalid(path, field.OmitValueType{},
			"keys must be qualified names: an optional DNS prefix and /, then at most 63 letters, digits, dashes, underscores and dots")),
		rule(free, field.Forbidden(path,
			"keys by which Signet, Argo CD, Flux, Helm or kubectl track objects are not allowed: these tools would prune the Secret")),
	)
}
