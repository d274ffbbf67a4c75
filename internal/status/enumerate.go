// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"
)

// maxNamed is how many APIs, routes or bindings a message names.
const maxNamed = 3

// Enumerate lists the first three names and how many more there are.
func Enumerate(names []string) string {
	return EnumerateNames(names, maxNamed)
}

// EnumerateNames lists up to limit names and how many more there are.
func EnumerateNames(names []string, limit int) string {
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
}
