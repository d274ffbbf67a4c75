// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"time"
)

// scheme is the algorithm of a type for signatures over a string to sign.
type scheme interface {
	// name is the beginning of the header value and of the string to sign.
	name() string
	// appendSignature appends the signature in the form of the header.
	appendSignature(dst, stringToSign []byte) ([]byte, error)
	// verify reports whether the signature matches, in constant time if a secret
	// is compared.
	verify(stringToSign []byte, signature string) bool
}

// Key signs and verifies with validated and parsed material. It is safe for
// concurrent use and prints as [redacted].
type Key struct {
	hidden

	keyType Type
	id      string
	// access is the identifier of the key in the header.
	access string
	// scheme is nil for Basic, whose signature is the credential.
	scheme  scheme
	basic   *basicCredential
	canSign bool
}

// NewKey validates and parses material. Its errors wrap ErrMaterial. It only checks
// what signing requires; the manager limits the length of components.
func NewKey(m Material) (*Key, error) {
	if m.Type != AES && m.Algorithm != "" {
		return nil, fmt.Errorf("%w: algorithm: not allowed for type %s", ErrMaterial, m.Type)
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

// Type returns the type of the key.
func (k *Key) Type() Type { return k.keyType }

// ID returns the ID of the key's version. It may be logged.
func (k *Key) ID() string { return k.id }

// CanSign reports whether the key can sign. Keys of type PublicKey without a private
// key only verify.
func (k *Key) CanSign() bool { return k.canSign }

// Accepted returns the key itself. A key thus implements Keys.
func (k *Key) Accepted(time.Time) []*Key { return []*Key{k} }

// SigningKey returns the key itself. A key thus implements KeySource.
func (k *Key) SigningKey() (*Key, error) { return k, nil }

// checkPlain refuses components that cannot be part of a header. Trailing white
// space is a common mistake in files written by hand.
func checkPlain(component string, value []byte, forbidden string) error {
	if len(value) == 0 {
		return fmt.Errorf("%w: %s: missing", ErrMaterial, component)
	}
	for _, b := range value {
		if b <= ' ' || b >= 0x7f {
			return fmt.Errorf("%w: %s: contains a character that is not visible ASCII (a trailing line break?)", ErrMaterial, component)
		}
		for i := range len(forbidden) {
			if b == forbidden[i] {
				return fmt.Errorf("%w: %s: contains %q", ErrMaterial, component, forbidden[i])
			}
		}
	}
	return nil
}
