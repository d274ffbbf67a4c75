// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
)

// ciphers are the schemes of type AES with the length of their keys in bytes.
var ciphers = map[Algorithm]struct {
	scheme    string
	keyLength int
}{
	AES128CFB: {scheme: "SIGNET-AES-128-CFB", keyLength: 16},
	AES256CFB: {scheme: "SIGNET-AES-256-CFB", keyLength: 32},
}

func newAESKey(m Material) (*Key, error) {
	kind, known := ciphers[m.Algorithm]
	if !known {
		return nil, fmt.Errorf("%w: algorithm: must be %s or %s", ErrMaterial, AES128CFB, AES256CFB)
	}
	if err := checkPlain("key-id", []byte(m.KeyID), ","); err != nil {
		return nil, err
	}
	if len(m.Key) != kind.keyLength {
		return nil, fmt.Errorf("%w: key: must be %d bytes for %s", ErrMaterial, kind.keyLength, m.Algorithm)
	}
	if len(m.Secret) != aes.BlockSize {
		return nil, fmt.Errorf("%w: secret: must be %d bytes", ErrMaterial, aes.BlockSize)
	}
	block, err := aes.NewCipher(m.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: key: not an AES key", ErrMaterial)
	}
	s := &aesScheme{scheme: kind.scheme, block: block, macs: newMACs(slices.Concat(m.Key, m.Secret))}
	block.Encrypt(s.firstStream[:], m.Secret)
	return &Key{keyType: AES, id: m.KeyID, access: m.KeyID, canSign: true, scheme: s}, nil
}

// aesScheme encrypts an HMAC. If it encrypted a plain digest, CFB with a constant
// vector would reveal its key stream and thus allow forged signatures.
type aesScheme struct {
	scheme string
	block  cipher.Block
	// firstStream is the encrypted vector: the key stream of the first block.
	firstStream [aes.BlockSize]byte
	macs        macs
}

func (s *aesScheme) name() string { return s.scheme }

func (s *aesScheme) appendSignature(dst, stringToSign []byte) ([]byte, error) {
	sum := s.encrypted(stringToSign)
	return hex.AppendEncode(dst, sum[:]), nil
}

func (s *aesScheme) verify(stringToSign []byte, signature string) bool {
	return equalHex(s.encrypted(stringToSign), signature)
}

func (s *aesScheme) encrypted(stringToSign []byte) [sha256.Size]byte {
	sum := s.macs.sum(stringToSign)
	s.encrypt(&sum)
	return sum
}

// encrypt is CFB with 128-bit feedback (NIST SP 800-38A, 6.3) of two blocks.
func (s *aesScheme) encrypt(text *[sha256.Size]byte) {
	first, second := text[:aes.BlockSize], text[aes.BlockSize:]
	subtle.XORBytes(first, first, s.firstStream[:])
	var stream [aes.BlockSize]byte
	s.block.Encrypt(stream[:], first)
	subtle.XORBytes(second, second, stream[:])
}
