// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// piece is how much of a value gives it away.
const piece = 12

// forms are the ways in which a value may turn up, by what they are. The pieces
// are for values that are cut short.
func forms(value string) map[string]string {
	value = strings.TrimSpace(value)
	quoted, _ := json.Marshal(value)
	found := map[string]string{
		"itself":        value,
		"quoted":        strings.Trim(string(quoted), `"`),
		"in base64":     strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(value)), "="),
		"in base64 URL": strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(value)), "="),
		"in hex":        hex.EncodeToString([]byte(value)),
		"in upper hex":  strings.ToUpper(hex.EncodeToString([]byte(value))),
		"as numbers":    strings.Trim(fmt.Sprintf("%d", []byte(value)), "[]"),
	}
	if len(value) >= piece {
		found["its beginning"], found["its end"] = value[:piece], value[len(value)-piece:]
	}
	return found
}

// leaks returns the forms in which any of the values is in the text. The values
// themselves are not part of the answer.
func leaks(text string, values []string) []string {
	var seen []string
	for _, value := range values {
		for name, form := range forms(value) {
			if strings.Contains(text, form) && !slices.Contains(seen, name) {
				seen = append(seen, name)
			}
		}
	}
	return seen
}
