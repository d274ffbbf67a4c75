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
		words = append(words, err.Field+": "+strings.TrimSuffix(detail, "."))
	}
	return strings.Join(words, "; ")
}
