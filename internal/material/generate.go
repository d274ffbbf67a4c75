// SPDX-License-Identifier: Apache-2.0

package material

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

const (
	letters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	alphanumeric = letters + "0123456789"
	idBytes      = 16
)

// generate returns a key and a secret of the full length that the type allows.
// Random must be cryptographically secure.
func generate(t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, random io.Reader) (key, secret Bytes, err error) {
	if t == signetv1alpha1.KeyTypePublicKey {
		return generatePair(random)
	}
	keyLength := validation.MaxLength(t, algorithm, validation.Key)
	secretLength := validation.MaxLength(t, algorithm, validation.Secret)
	if keyLength == 0 || secretLength == 0 {
		return nil, nil, fmt.Errorf("generate material: unknown type %q with algorithm %q", t, algorithm)
	}
	first, err := characters(random, letters, 1)
	if err != nil {
		return nil, nil, err
	}
	rest, err := characters(random, alphanumeric, keyLength-1)
	if err != nil {
		return nil, nil, err
	}
	secret, err = characters(random, alphanumeric, secretLength)
	return append(first, rest...), secret, err
}

func generatePair(random io.Reader) (key, secret Bytes, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, nil, fmt.Errorf("generate an ECDSA key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a public key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a private key: %w", err)
	}
	return base64Bytes(public), base64Bytes(der), nil
}

func base64Bytes(der []byte) Bytes { return Bytes(base64.StdEncoding.EncodeToString(der)) }

// characters draws each character with the same probability: it discards random
// bytes beyond the last whole multiple of the alphabet's length.
func characters(random io.Reader, alphabet string, n int) (Bytes, error) {
	limit := byte(256 / len(alphabet) * len(alphabet) % 256)
	drawn := make(Bytes, 0, n)
	buffer := make([]byte, 2*n)
	for len(drawn) < n {
		if _, err := io.ReadFull(random, buffer); err != nil {
			return nil, fmt.Errorf("read randomness: %w", err)
		}
		for _, b := range buffer {
			if len(drawn) < n && (limit == 0 || b < limit) {
				drawn = append(drawn, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return drawn, nil
}

func newID(random io.Reader) (string, error) {
	id := make([]byte, idBytes)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return hex.EncodeToString(id), nil
}
