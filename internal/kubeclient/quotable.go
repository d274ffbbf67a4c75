// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/signet-dev/signet/internal/material"
)

const (
	// maxQuoted is how many characters of the API server's text are quoted.
	maxQuoted = 256
	// revealing is how many consecutive characters of a secret a text may not have:
	// a policy may quote a part of it.
	revealing = 8
	// maxChecked is the length in bytes of the longest text that is checked. A longer
	// one is not quoted.
	maxChecked = 64 << 10
)

// quotable returns the text on one line, cut to maxQuoted characters, or nothing if it
// contains one of the secrets, or a part of it.
func quotable(text string, secrets []material.Bytes) string {
	line := strings.Join(strings.Fields(text), " ")
	if len(text) > maxChecked || reveals(text, secrets) || reveals(line, secrets) {
		return ""
	}
	if characters := []rune(line); len(characters) > maxQuoted {
		line = string(characters[:maxQuoted-1]) + "…"
	}
	return strings.TrimRight(line, ".")
}

// reveals reports whether the text contains one of the secrets, or a part of it: raw,
// in base64, or quoted.
func reveals(text string, secrets []material.Bytes) bool {
	parts := map[string]struct{}{}
	for i := 0; i+revealing <= len(text); i++ {
		parts[text[i:i+revealing]] = struct{}{}
	}
	for _, secret := range secrets {
		for _, form := range formsOf(secret) {
			if len(form) < revealing && strings.Contains(text, form) {
				return true
			}
			for i := 0; i+revealing <= len(form); i++ {
				if _, found := parts[form[i:i+revealing]]; found {
					return true
				}
			}
		}
	}
	return false
}

// formsOf returns how a text may contain a secret.
func formsOf(secret material.Bytes) []string {
	if len(secret) == 0 {
		return nil
	}
	raw := string(secret)
	forms := []string{
		raw, base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
		strings.Trim(strconv.Quote(raw), `"`), strings.Trim(strconv.QuoteToASCII(raw), `"`),
	}
	if quoted, err := json.Marshal(raw); err == nil {
		forms = append(forms, strings.Trim(string(quoted), `"`))
	}
	return forms
}
