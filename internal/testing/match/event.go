// SPDX-License-Identifier: Apache-2.0

package match

import (
	"strings"

	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
)

// Event matches an Event with this type and reason. Each part is a substring of
// the note.
func Event(eventType, reason string, parts ...string) types.GomegaMatcher {
	want := []any{eventType, reason, parts}
	return gcustom.MakeMatcher(func(event corev1.Event) (bool, error) {
		if event.Type != eventType || event.Reason != reason {
			return false, nil
		}
		for _, part := range parts {
			if !strings.Contains(event.Message, part) {
				return false, nil
			}
		}
		return true, nil
	}).WithTemplate("Expected\n{{.FormattedActual}}\n{{.To}} be an Event {{.Data}}", want)
}
