package validation

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Summarize puts errors into words. Values are left out: they may be material.
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
