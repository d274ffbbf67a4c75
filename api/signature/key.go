// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"time"
)

// scheme is how a type makes signatures over a string to sign.
type scheme interface {
	// name begins the header's value and the string to sign.
	name() string
	// appendSignature appends the signature as the header carries it.
	appendSignature(dst, stringToSign []byte) ([]byte, error)
	// verify says whether the signature is right, in constant time where a
	// secret is compared.
	verify(stringToSign []byte, signature string) bool
}

// Key signs and verifies: material that has been checked and parsed, once. It
// is safe for concurrent use, and prints as [redacted].
type Key struct {
	hidden

	keyType Type
	id      string
	// access is what the header names the key by.
	access string
	// scheme is nil for Basic, whose signature is its credential.
	scheme  scheme
	basic   *basicCredential
	canSign bool
}

// NewKey checks and parses material. Its errors are ErrMaterial. It checks what
// signing needs; how long halves may be is for who makes them.
func NewKey(m Material) (*Key, error) {
	if m.Type != AES && m.Algorithm != "" {
		return nil, fmt.Errorf("%w: algorithm: type %s has none", ErrMaterial, m.Type)
	}
	switch m.Type {
	case HMAC:
		return newHMACKey(m)
	case Basic:
		return newBasicKey(m)
	case AES:
		return newAESKey(m)
	case PublicKey:
		return newPairKey(m)
	}
	return nil, fmt.Errorf("%w: type: unknown", ErrMaterial)
}

// Type is the type of the key.
func (k *Key) Type() Type { return k.keyType }

// ID is the id of the key's version. It may be logged.
func (k *Key) ID() string { return k.id }

// CanSign says whether the key has the half that signs. Keys of type PublicKey
// verify without it.
func (k *Key) CanSign() bool { return k.canSign }

// Accepted is the key itself: one key makes a Keys.
func (k *Key) Accepted(time.Time) []*Key { return []*Key{k} }

// SigningKey is the key itself: one key makes a KeySource.
func (k *Key) SigningKey() (*Key, error) { return k, nil }

// plain refuses halves that would not stand in a header as they are. White space
// at the end is the usual mistake of who writes a file by hand.
func plain(half string, value []byte, forbidden string) error {
	if len(value) == 0 {
		return fmt.Errorf("%w: %s: missing", ErrMaterial, half)
	}
	for _, b := range value {
		if b <= ' ' || b >= 0x7f {
			return fmt.Errorf("%w: %s: has a character that is not visible ASCII (a line break at the end?)", ErrMaterial, half)
		}
		for i := range len(forbidden) {
			if b == forbidden[i] {
				return fmt.Errorf("%w: %s: has a %q in it", ErrMaterial, half, forbidden[i])
			}
		}
	}
	return nil
}
