// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"log/slog"
)

// Type is the type of a signature key.
type Type string

// The four types of signature keys.
const (
	HMAC      Type = "HMAC"
	Basic     Type = "Basic"
	AES       Type = "AES"
	PublicKey Type = "PublicKey"
)

// Algorithm is the cipher of type AES. The other types have none.
type Algorithm string

// The ciphers of type AES.
const (
	AES128CFB Algorithm = "aes-128-cfb"
	AES256CFB Algorithm = "aes-256-cfb"
)

const redacted = "[redacted]"

// hidden gives a struct that holds material the methods by which it would be
// printed. However that is done, it is not the material.
type hidden struct{}

func (hidden) String() string                 { return redacted }
func (hidden) GoString() string               { return redacted }
func (hidden) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }
func (hidden) LogValue() slog.Value           { return slog.StringValue(redacted) }
func (hidden) MarshalJSON() ([]byte, error)   { return []byte(`"` + redacted + `"`), nil }
func (hidden) MarshalText() ([]byte, error)   { return []byte(redacted), nil }

// Bytes are one half of material. However they are printed, it is not them. In
// an unexported field of a struct fmt cannot ask them: hold a *Key there.
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

// Material is a version of a signature key as it is stored. NewKey makes of it
// what signs and verifies. It prints as [redacted].
type Material struct {
	hidden

	Type Type
	// Algorithm is demanded for type AES and refused for the others.
	Algorithm Algorithm
	// KeyID is the id of the version. AES and PublicKey put it into their
	// signatures and need it; for HMAC and Basic it only tells versions apart.
	KeyID string
	// Key is the identifier (HMAC), the user name (Basic), the cipher key (AES)
	// or the public key (PublicKey: SPKI DER in base64).
	Key Bytes
	// Secret is the secret (HMAC), the password (Basic), the initial vector
	// (AES) or the private key (PublicKey: PKCS#8 DER in base64). PublicKey
	// verifies without it.
	Secret Bytes
}
