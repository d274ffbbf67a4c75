// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Summarize joins errors into one text without values, which may be material.
func Summarize(errs field.ErrorList) string {
	words := make([]string, 0, len(errs))
	for _, err := range errs {
		detail := err.Detail
		if detail == "" {
			detail = strings.ToLower(err.Type.String())
		}
		words = append(words, err.Field+separator(detail)+strings.TrimSuffix(detail, "."))
	}
	return strings.Join(words, "; ")
}

// separator returns what stands between a field and what is wrong with it: nothing
// but a blank if the field is the subject, as in "data[secret] ends with a newline".
func separator(detail string) string {
	for _, verb := range []string{"contains ", "differs from ", "does ", "ends with ", "is ", "must "} {
		if strings.HasPrefix(detail, verb) {
			return " "
		}
	}
	return ": "
}
