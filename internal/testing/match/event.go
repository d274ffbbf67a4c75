// SPDX-License-Identifier: Apache-2.0

package match

import (
	"strings"

	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"
)

// Event matches an Event, as env.Events returns it, with this type and reason,
// whose note begins with this text.
func Event(eventType, reason, note string) types.GomegaMatcher {
	want := eventType + " " + reason + ": " + note
	return gcustom.MakeMatcher(func(event string) (bool, error) {
		return strings.HasPrefix(event, want), nil
	}).WithTemplate("Expected\n{{.FormattedActual}}\n{{.To}} be the Event {{.Data}}", want)
}
