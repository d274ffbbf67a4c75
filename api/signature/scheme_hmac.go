// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"sync"
)

const schemeHMAC = "SDK-HMAC-SHA256"

func newHMACKey(m Material) (*Key, error) {
	if err := plain("key", m.Key, ","); err != nil {
		return nil, err
	}
	if err := plain("secret", m.Secret, ""); err != nil {
		return nil, err
	}
	return &Key{
		keyType: HMAC, id: m.KeyID, access: string(m.Key), canSign: true,
		scheme: &hmacScheme{macs: newMACs(m.Secret)},
	}, nil
}

type hmacScheme struct{ macs *macs }

func (*hmacScheme) name() string { return schemeHMAC }

func (s *hmacScheme) appendSignature(dst, stringToSign []byte) ([]byte, error) {
	sum := s.macs.sum(stringToSign)
	return hex.AppendEncode(dst, sum[:]), nil
}

func (s *hmacScheme) verify(stringToSign []byte, signature string) bool {
	sum := s.macs.sum(stringToSign)
	return equalHex(sum, signature)
}

// equalHex compares in constant time, and with the digits: upper-case ones are
// another signature.
func equalHex(sum [sha256.Size]byte, signature string) bool {
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(want[:], []byte(signature)) == 1
}

// macs lends out HMACs of one secret. One that is used again knows the two
// blocks that the secret makes, which is half of the work for a short text.
type macs struct{ pool sync.Pool }

type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

func newMACs(secret []byte) *macs {
	own := append([]byte(nil), secret...)
	return &macs{pool: sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, own)} }}}
}

func (m *macs) sum(text []byte) [sha256.Size]byte {
	lent := m.pool.Get().(*mac)
	defer m.pool.Put(lent)
	lent.hash.Reset()
	lent.hash.Write(text)
	lent.hash.Sum(lent.sum[:0])
	return lent.sum
}
