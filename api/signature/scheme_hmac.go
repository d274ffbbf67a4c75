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
	if err := checkPlain("key", m.Key, ","); err != nil {
		return nil, err
	}
	if err := checkPlain("secret", m.Secret, ""); err != nil {
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

// equalHex compares the digits in constant time. Upper-case digits do not match.
func equalHex(sum [sha256.Size]byte, signature string) bool {
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(want[:], []byte(signature)) == 1
}

// macs pools HMACs of one secret. A reused HMAC keeps the two blocks that depend on
// the secret, which saves half of the work for a short text.
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
	reused := m.pool.Get().(*mac)
	defer m.pool.Put(reused)
	reused.hash.Reset()
	reused.hash.Write(text)
	reused.hash.Sum(reused.sum[:0])
	return reused.sum
}
