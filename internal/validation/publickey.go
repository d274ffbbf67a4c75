// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

const minRSABits = 2048

// keyPair returns the errors of PublicKey material: SPKI and PKCS#8 DER in bare
// base64, ECDSA P-256 or RSA, both of one pair.
func keyPair(path *field.Path, key, secret []byte) field.ErrorList {
	public, publicErrs := publicComponent(path.Key(DataKey), key)
	private, privateErrs := privateComponent(path.Key(DataSecret), secret)
	if errs := join(publicErrs, privateErrs); len(errs) > 0 {
		return errs
	}
	belongs := false
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		other, ok := public.(*ecdsa.PublicKey)
		belongs = ok && private.PublicKey.Equal(other)
	case *rsa.PrivateKey:
		other, ok := public.(*rsa.PublicKey)
		belongs = ok && private.PublicKey.Equal(other)
	}
	return rule(belongs, withheld(path.Key(DataSecret), "does not belong to the public key in data[key]. Supply both components of one pair"))
}

func publicComponent(path *field.Path, value []byte) (any, field.ErrorList) {
	der, ok := decodeDER(value)
	if !ok {
		return nil, field.ErrorList{withheld(path, "must be bare base64 of DER, without PEM lines or trailing data")}
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, field.ErrorList{withheld(path, "must be a public key as SPKI DER (openssl pkey -pubout -outform DER)")}
	}
	return public, kindOfPair(path, public)
}

func privateComponent(path *field.Path, value []byte) (any, field.ErrorList) {
	der, ok := decodeDER(value)
	if !ok {
		return nil, field.ErrorList{withheld(path, "must be bare base64 of DER, without PEM lines or trailing data")}
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, field.ErrorList{withheld(path, "must be a private key as PKCS#8 DER (openssl pkcs8 -topk8 -nocrypt -outform DER)")}
	}
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		return private, kindOfPair(path, &private.PublicKey)
	case *rsa.PrivateKey:
		return private, kindOfPair(path, &private.PublicKey)
	default:
		return nil, kindOfPair(path, nil)
	}
}

// decodeDER accepts only the canonical encoding, because some backends read no
// other, and no trailing data, because Go's PKCS#8 parser ignores it.
func decodeDER(value []byte) ([]byte, bool) {
	der, err := base64.StdEncoding.Strict().DecodeString(string(value))
	if err != nil {
		return nil, false
	}
	rest, err := asn1.Unmarshal(der, new(asn1.RawValue))
	return der, err == nil && len(rest) == 0
}

func kindOfPair(path *field.Path, public any) field.ErrorList {
	ok := false
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		ok = public.Curve == elliptic.P256()
	case *rsa.PublicKey:
		ok = public.N.BitLen() >= minRSABits
	}
	return rule(ok, withheld(path, "must be ECDSA P-256, or RSA with at least 2048 bits"))
}
