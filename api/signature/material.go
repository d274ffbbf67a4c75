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

// Algorithm is the cipher of type AES. Other types have none.
type Algorithm string

// The ciphers of type AES.
const (
	AES128CFB Algorithm = "aes-128-cfb"
	AES256CFB Algorithm = "aes-256-cfb"
)

const redacted = "[redacted]"

// hidden overrides all methods with which a struct is printed, for structs that hold
// material.
type hidden struct{}

func (hidden) String() string                 { return redacted }
func (hidden) GoString() string               { return redacted }
func (hidden) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }
func (hidden) LogValue() slog.Value           { return slog.StringValue(redacted) }
func (hidden) MarshalJSON() ([]byte, error)   { return []byte(`"` + redacted + `"`), nil }
func (hidden) MarshalText() ([]byte, error)   { return []byte(redacted), nil }

// Bytes is one component of material. It prints as [redacted], except in an
// unexported field of a struct, where fmt cannot call its methods: use a *Key there.
type Bytes []byte

// String returns [redacted].
func (Bytes) String() string { return redacted }

// GoString returns [redacted].
func (Bytes) GoString() string { return redacted }

// Format writes [redacted] for every verb.
func (Bytes) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// LogValue returns [redacted].
func (Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns [redacted] as a JSON string.
func (Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [redacted].
func (Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Material is a version of a signature key as stored in a Secret. NewKey turns it
// into a Key. It prints as [redacted].
type Material struct {
	hidden

	Type Type
	// Algorithm is required for type AES and not allowed for other types.
	Algorithm Algorithm
	// KeyID is the ID of the version. It is part of the signatures of AES and
	// PublicKey, which require it. For HMAC and Basic it only distinguishes versions.
	KeyID string
	// Key is the identifier (HMAC), the user name (Basic), the cipher key (AES)
	// or the public key (PublicKey: SPKI DER in base64).
	Key Bytes
	// Secret is the secret (HMAC), the password (Basic), the initialization vector
	// (AES) or the private key (PublicKey: PKCS #8 DER in base64). PublicKey can
	// verify without it.
	Secret Bytes
}
