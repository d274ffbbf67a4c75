// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

const schemeBasic = "Basic"

// basicCredential is the credential in a request of type Basic: user name and
// password instead of a signature.
type basicCredential struct {
	header string
	// sum is compared instead of the password, so that the time of a comparison does
	// not reveal its length.
	sum [sha256.Size]byte
}

func newBasicKey(m Material) (*Key, error) {
	if err := checkPlain("key", m.Key, ":"); err != nil {
		return nil, err
	}
	if err := checkPlain("secret", m.Secret, ""); err != nil {
		return nil, err
	}
	pair := string(m.Key) + ":" + string(m.Secret)
	credential := &basicCredential{
		header: schemeBasic + " " + base64.StdEncoding.EncodeToString([]byte(pair)),
		sum:    sha256.Sum256([]byte(pair)),
	}
	return &Key{keyType: Basic, id: m.KeyID, access: string(m.Key), basic: credential, canSign: true}, nil
}

// cutBasic returns the credential in a header of type Basic. The scheme is
// case-insensitive (RFC 7617).
func cutBasic(header string) (credential string, found bool) {
	name, credential, found := strings.Cut(header, " ")
	return credential, found && lower(name) == lower(schemeBasic)
}

// verifyBasic compares with every key, so that the time does not reveal which one
// matches.
func verifyBasic(credential string, keys []*Key) (*Key, error) {
	pair, ok := strictBase64(credential)
	if !ok {
		return nil, &RefusalError{Reason: ErrMalformed, Detail: "the credential is not base64"}
	}
	sum := sha256.Sum256(pair)
	var match *Key
	candidates := 0
	for _, key := range keys {
		if key.basic == nil {
			continue
		}
		candidates++
		if subtle.ConstantTimeCompare(sum[:], key.basic.sum[:]) == 1 {
			match = key
		}
	}
	switch {
	case match != nil:
		return match, nil
	case candidates == 0:
		return nil, &RefusalError{Reason: ErrUnknownKey, Detail: "no accepted key of type Basic"}
	}
	return nil, &RefusalError{Reason: ErrMismatch}
}
