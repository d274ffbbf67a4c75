// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

func TestMACsEqualThoseOfTheStandardLibrary(t *testing.T) {
	for length := range 2*sha256.BlockSize + 2 {
		secret, text := bytes.Repeat([]byte{byte(length + 1)}, length), bytes.Repeat([]byte("t"), 3*length)
		want := hmac.New(sha256.New, secret)
		want.Write(text)
		m := newMACs(secret)
		for range 2 {
			if got := m.sum(text); !bytes.Equal(got[:], want.Sum(nil)) {
				t.Fatalf("%d bytes of secret: %x", length, got)
			}
		}
	}
}

func TestReleasedHashesAreIndependentOfTheSecret(t *testing.T) {
	m := newMACs([]byte("secret"))
	h := &reusedHash{Hash: sha256.New()}
	h.from(m.inner, []byte("text"))
	h.release()
	fresh := reusedHash{Hash: sha256.New()}
	if !bytes.Equal(h.Sum(nil), fresh.Sum(nil)) || h.sum != fresh.sum {
		t.Error("the hash has a state")
	}
}
