// SPDX-License-Identifier: Apache-2.0

// Package material makes, reads and lays out the material of signature keys:
// what the managed Secret of a SignatureKey holds. It is pure: clock and
// randomness are arguments.
package material

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Bytes are one half of material. However they are printed, it is not them.
type Bytes []byte

// String prints no material.
func (Bytes) String() string { return redacted }

// GoString prints no material.
func (Bytes) GoString() string { return redacted }

// Format prints no material, whatever the verb.
func (Bytes) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// LogValue logs no material.
func (Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes no material.
func (Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText writes no material.
func (Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Equal compares in a time that does not depend on where they differ.
func (b Bytes) Equal(other Bytes) bool { return subtle.ConstantTimeCompare(b, other) == 1 }
