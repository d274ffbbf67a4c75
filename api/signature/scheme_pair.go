// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	schemeECDSA = "SIGNET-ECDSA-P256-SHA256"
	schemeRSA   = "SIGNET-RSA-SHA256"
	minRSABits  = 2048
)

func newPairKey(m Material) (*Key, error) {
	if err := checkPlain("key-id", []byte(m.KeyID), ","); err != nil {
		return nil, err
	}
	pair, err := parsePublic(m.Key)
	if err != nil {
		return nil, err
	}
	if len(m.Secret) > 0 {
		if pair.private, err = parsePrivate(m.Secret); err != nil {
			return nil, err
		}
		if !pair.belongs() {
			return nil, fmt.Errorf("%w: key and secret do not belong together", ErrMaterial)
		}
	}
	return &Key{keyType: PublicKey, id: m.KeyID, access: m.KeyID, canSign: pair.private != nil, scheme: pair}, nil
}

func parsePublic(encoded []byte) (*pairScheme, error) {
	der, err := decodeDER("key", encoded)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: key: not SPKI", ErrMaterial)
	}
	switch public := parsed.(type) {
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return &pairScheme{scheme: schemeECDSA, ecdsa: public}, nil
		}
	case *rsa.PublicKey:
		if public.N.BitLen() >= minRSABits {
			return &pairScheme{scheme: schemeRSA, rsa: public}, nil
		}
	}
	return nil, fmt.Errorf("%w: key: must be ECDSA P-256, or RSA from %d bits", ErrMaterial, minRSABits)
}

func parsePrivate(encoded []byte) (crypto.Signer, error) {
	der, err := decodeDER("secret", encoded)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: secret: not PKCS #8", ErrMaterial)
	}
	private, signs := parsed.(crypto.Signer)
	if !signs {
		return nil, fmt.Errorf("%w: secret: not a private key for signatures", ErrMaterial)
	}
	return private, nil
}

func decodeDER(component string, value []byte) ([]byte, error) {
	if err := checkPlain(component, value, ""); err != nil {
		return nil, err
	}
	der, ok := strictBase64(string(value))
	if !ok {
		return nil, fmt.Errorf("%w: %s: not base64", ErrMaterial, component)
	}
	// The parser of PKCS #8 ignores trailing data.
	if rest, err := asn1.Unmarshal(der, new(asn1.RawValue)); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: %s: not DER", ErrMaterial, component)
	}
	return der, nil
}

// strictBase64 decodes only what an encoder writes, so that a signature has one
// form. The decoder skips line breaks even if it is strict.
func strictBase64(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	return decoded, err == nil
}

// pairScheme has one of the two public keys, and the private key if it can sign.
type pairScheme struct {
	scheme  string
	ecdsa   *ecdsa.PublicKey
	rsa     *rsa.PublicKey
	private crypto.Signer
}

func (s *pairScheme) belongs() bool {
	if s.ecdsa != nil {
		return s.ecdsa.Equal(s.private.Public())
	}
	return s.rsa.Equal(s.private.Public())
}

func (s *pairScheme) name() string { return s.scheme }

func (s *pairScheme) appendSignature(dst, stringToSign []byte) ([]byte, error) {
	digest := sha256.Sum256(stringToSign)
	// With SHA-256 as the option, ECDSA uses ASN.1 DER and RSA PKCS #1 v1.5.
	signature, err := s.private.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrCannotSign, err)
	}
	return base64.StdEncoding.AppendEncode(dst, signature), nil
}

func (s *pairScheme) verify(stringToSign []byte, signature string) bool {
	decoded, ok := strictBase64(signature)
	if !ok {
		return false
	}
	digest := sha256.Sum256(stringToSign)
	if s.ecdsa != nil {
		return ecdsa.VerifyASN1(s.ecdsa, digest[:], decoded)
	}
	return rsa.VerifyPKCS1v15(s.rsa, crypto.SHA256, digest[:], decoded) == nil
}
