// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"errors"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// The first segments of the paths of the HTTP endpoints.
const (
	prefixSign   = "/sign/"
	prefixEnvoy  = "/envoy/"
	prefixVerify = "/verify/"
)

// maxSegment is the maximum length of a part of a slot.
const maxSegment = 253

var errPath = errors.New("not a path of this endpoint")

// exactSlot parses a target that names a slot and nothing else. It ignores the
// query, which can be the client's: Caddy appends it.
func exactSlot(target, prefix string) (slots.Slot, error) {
	path, _, _ := strings.Cut(target, "?")
	slot, rest, err := cutSlot(path, prefix)
	if err != nil || rest != "" {
		return slots.Slot{}, errPath
	}
	return slot, nil
}

// cutSlot splits a raw request target into the slot and the rest, which is empty
// or starts with a slash. Nothing is decoded or cleaned before the split, so that
// the rest cannot change the slot: `..`, `%2e` and `//` in it have no special
// meaning. The names of slots need no escapes.
func cutSlot(target, prefix string) (slot slots.Slot, rest string, err error) {
	rest, found := strings.CutPrefix(target, prefix)
	if !found {
		return slots.Slot{}, "", errPath
	}
	var parts [4]string
	for i := range parts {
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		if i < len(parts)-1 && end == len(rest) {
			return slots.Slot{}, "", errPath
		}
		parts[i] = rest[:end]
		rest = rest[end:]
		if i < len(parts)-1 {
			rest = rest[1:]
		}
	}
	slot = slots.Slot{Namespace: parts[0], Environment: parts[1], Kind: signetv1alpha1.APIKind(parts[2]), Name: parts[3]}
	if !isWellFormed(slot) {
		return slots.Slot{}, "", errPath
	}
	return slot, rest, nil
}

// parseSlot parses <namespace>/<environment>/<kind>/<name>.
func parseSlot(text string) (slots.Slot, error) { return exactSlot("/"+text, "/") }

// isWellFormed reports whether such a slot can exist.
func isWellFormed(slot slots.Slot) bool {
	switch slot.Kind {
	case signetv1alpha1.APIKindHTTPRoute, signetv1alpha1.APIKindGRPCRoute, signetv1alpha1.APIKindAPI:
	default:
		return false
	}
	return isPlainName(slot.Namespace) && isPlainName(slot.Environment) && isPlainName(slot.Name)
}

// isPlainName reports whether the text consists of the characters of names, and
// thus contains neither an escape nor a dot segment.
func isPlainName(text string) bool {
	if text == "" || len(text) > maxSegment || !isAlphanumeric(text[0]) {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
