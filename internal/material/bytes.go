// SPDX-License-Identifier: Apache-2.0

package material

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Bytes are one component of material. They print as [redacted].
type Bytes []byte

// String returns no material.
func (Bytes) String() string { return redacted }

// GoString returns no material.
func (Bytes) GoString() string { return redacted }

// Format writes no material, whatever the verb.
func (Bytes) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// LogValue returns no material.
func (Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns no material.
func (Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns no material.
func (Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Equal reports whether both are equal, in a time that does not depend on where
// they differ.
func (b Bytes) Equal(other Bytes) bool { return subtle.ConstantTimeCompare(b, other) == 1 }
