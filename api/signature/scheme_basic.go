// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

const schemeBasic = "Basic"

// basicCredential is what a request of type Basic carries: no signature, but
// user name and password themselves.
type basicCredential struct {
	header string
	// sum hides from the time of a comparison how long the password is.
	sum [sha256.Size]byte
}

func newBasicKey(m Material) (*Key, error) {
	if err := plain("key", m.Key, ":"); err != nil {
		return nil, err
	}
	if err := plain("secret", m.Secret, ""); err != nil {
		return nil, err
	}
	pair := string(m.Key) + ":" + string(m.Secret)
	credential := &basicCredential{
		header: schemeBasic + " " + base64.StdEncoding.EncodeToString([]byte(pair)),
		sum:    sha256.Sum256([]byte(pair)),
	}
	return &Key{keyType: Basic, id: m.KeyID, access: string(m.Key), basic: credential, canSign: true}, nil
}

// cutBasic splits the credential off a header of type Basic. RFC 7617 leaves the
// case of the scheme open.
func cutBasic(header string) (credential string, found bool) {
	name, credential, found := strings.Cut(header, " ")
	return credential, found && strings.EqualFold(name, schemeBasic)
}

// verifyBasic compares with every key, so that its time says nothing about which
// of them is right.
func verifyBasic(credential string, keys []*Key) (*Key, error) {
	pair, ok := strictBase64(credential)
	if !ok {
		return nil, &RefusalError{Reason: ErrMalformed, Detail: "the credential is no base64"}
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
		return nil, &RefusalError{Reason: ErrUnknownKey, Detail: "no key of type Basic is accepted"}
	}
	return nil, &RefusalError{Reason: ErrMismatch}
}
