package signer

import (
	"errors"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// The first segments of the faces' paths.
const (
	prefixSign   = "/sign/"
	prefixEnvoy  = "/envoy/"
	prefixVerify = "/verify/"
)

// maxSegment is the longest name that any part of a slot can have.
const maxSegment = 253

var errPath = errors.New("the path is not one of this face")

// exactSlot reads a target that is the slot and nothing else. The query is
// whatever the gateway's client sent: Caddy appends it.
func exactSlot(target, prefix string) (slots.Slot, error) {
	path, _, _ := strings.Cut(target, "?")
	slot, rest, err := cutSlot(path, prefix)
	if err != nil || rest != "" {
		return slots.Slot{}, errPath
	}
	return slot, nil
}

// cutSlot splits a raw request target into the slot and the rest, which is empty
// or begins with a slash. Nothing is decoded and nothing cleaned before the
// split, so that no rest can change the slot: `..`, `%2e` and `//` in it are
// only more characters. The names of slots need no escapes.
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
	if !wellFormed(slot) {
		return slots.Slot{}, "", errPath
	}
	return slot, rest, nil
}

// parseSlot reads a slot that stands alone: <namespace>/<environment>/<kind>/<name>.
func parseSlot(text string) (slots.Slot, error) { return exactSlot("/"+text, "/") }

// wellFormed says that such a slot could be, not that it is.
func wellFormed(slot slots.Slot) bool {
	switch slot.Kind {
	case signetv1alpha1.APIKindHTTPRoute, signetv1alpha1.APIKindGRPCRoute, signetv1alpha1.APIKindAPI:
	default:
		return false
	}
	return plainName(slot.Namespace) && plainName(slot.Environment) && plainName(slot.Name)
}

// plainName says that the text has the characters of names, and so neither an
// escape nor a dot segment.
func plainName(text string) bool {
	if text == "" || len(text) > maxSegment || !alphanumeric(text[0]) {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !alphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
