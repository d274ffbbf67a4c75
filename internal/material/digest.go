// SPDX-License-Identifier: Apache-2.0

package material

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const saltBytes = 16

func newSalt(random io.Reader) (Bytes, error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return Bytes(hex.EncodeToString(salt)), nil
}

// WithSalt returns the set with a salt of its own, unless it has one.
func (s *Set) WithSalt(random io.Reader) (*Set, error) {
	if len(s.Salt) > 0 {
		return s, nil
	}
	salt, err := newSalt(random)
	if err != nil {
		return nil, err
	}
	next := s.Clone()
	next.Salt = salt
	return next, nil
}

// digest identifies the version's bytes in a status. It is salted, because a plain
// hash would let any reader of the status verify a guess at a password. Empty
// without a salt.
func (s *Set) digest(v *Version) string {
	if len(s.Salt) == 0 {
		return ""
	}
	sum := hmac.New(sha256.New, s.Salt)
	for _, part := range [][]byte{[]byte(s.Type), []byte(s.Algorithm), v.Key, v.Secret} {
		writePart(sum, part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// ActiveMatches reports whether the active version has the bytes of the active
// version on record. A record without a digest proves nothing.
func (s *Set) ActiveMatches(recorded []signetv1alpha1.KeyVersion) bool {
	for i := range recorded {
		if recorded[i].State == signetv1alpha1.VersionActive {
			return recorded[i].Digest != "" && equalText(recorded[i].Digest, s.digest(&s.Active))
		}
	}
	return false
}

// Contradicts reports whether a version on record has other bytes here: new bytes
// from Signet always have a new ID.
func (s *Set) Contradicts(recorded []signetv1alpha1.KeyVersion) bool {
	for _, v := range s.all() {
		for i := range recorded {
			if recorded[i].ID == v.ID && recorded[i].Digest != "" && !equalText(recorded[i].Digest, s.digest(v)) {
				return true
			}
		}
	}
	return false
}

// equalText takes a time that does not depend on where the texts differ.
func equalText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
