// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
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
		scheme: &hmacScheme{newMACs(m.Secret)},
	}, nil
}

type hmacScheme struct{ macs }

func (*hmacScheme) name() string { return schemeHMAC }

func (s *hmacScheme) appendSignature(dst, stringToSign []byte) ([]byte, error) {
	sum := s.sum(stringToSign)
	return hex.AppendEncode(dst, sum[:]), nil
}

func (s *hmacScheme) verify(stringToSign []byte, signature string) bool {
	sum := s.sum(stringToSign)
	return equalHex(sum, signature)
}

// equalHex compares the digits in constant time. Upper-case digits do not match.
func equalHex(sum [sha256.Size]byte, signature string) bool {
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(want[:], []byte(signature)) == 1
}

// macs computes the HMACs of one secret. It keeps the states of SHA-256 after the two
// blocks that depend on the secret, which saves half of the work for a short text. Pools
// of crypto/hmac would save the same, but one for each secret, which is empty for the
// secrets that are seldom used.
type macs struct{ inner, outer []byte }

func newMACs(secret []byte) macs {
	var key [sha256.BlockSize]byte
	if len(secret) > len(key) {
		sum := sha256.Sum256(secret)
		copy(key[:], sum[:])
	} else {
		copy(key[:], secret)
	}
	return macs{inner: stateAfter(key, 0x36), outer: stateAfter(key, 0x5c)}
}

// stateAfter returns the state of SHA-256 after the padded key.
func stateAfter(key [sha256.BlockSize]byte, pad byte) []byte {
	for i := range key {
		key[i] ^= pad
	}
	h := sha256.New()
	h.Write(key[:])
	state, _ := h.(encoding.BinaryMarshaler).MarshalBinary() // SHA-256 returns no error
	return state
}

// reusedHash is a SHA-256 with the memory for its result.
type reusedHash struct {
	hash.Hash
	sum [sha256.Size]byte
}

var hashes = sync.Pool{New: func() any { return &reusedHash{Hash: sha256.New()} }}

func (m *macs) sum(text []byte) [sha256.Size]byte {
	reused := hashes.Get().(*reusedHash)
	reused.from(m.inner, text)
	reused.from(m.outer, reused.sum[:])
	sum := reused.sum
	reused.release()
	return sum
}

// release keeps the hash for any secret. Its state and result depend on this one, and are
// reset.
func (h *reusedHash) release() {
	h.Reset()
	h.sum = [sha256.Size]byte{}
	hashes.Put(h)
}

// from hashes the text from a state on.
func (h *reusedHash) from(state, text []byte) {
	_ = h.Hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state) // of the same hash
	h.Write(text)
	h.Sum(h.sum[:0])
}
