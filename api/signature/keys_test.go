// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"sync"
	"testing"
	"time"
)

// signedAt is the time at which the requests of the tests are signed.
var signedAt = time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)

// pairs are generated once, because RSA keys are slow to generate.
var pairs = sync.OnceValue(func() map[string]Material {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return map[string]Material{"ECDSA": pairOf(ec), "RSA": pairOf(r)}
})

func pairOf(private crypto.Signer) Material {
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		panic(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return Material{
		Type: PublicKey, KeyID: "5f0c",
		Key:    Bytes(base64.StdEncoding.EncodeToString(public)),
		Secret: Bytes(base64.StdEncoding.EncodeToString(secret)),
	}
}

// materials returns material of every kind.
func materials() map[string]Material {
	return map[string]Material{
		"HMAC":    {Type: HMAC, KeyID: "1a2b", Key: Bytes("orders_app"), Secret: Bytes("s3cret_!@#$%-0123456789")},
		"Basic":   {Type: Basic, KeyID: "1a2c", Key: Bytes("orders"), Secret: Bytes("pass:word!@#$%")},
		"AES-128": {Type: AES, Algorithm: AES128CFB, KeyID: "1a2d", Key: Bytes("0123456789abcdef"), Secret: Bytes("fedcba9876543210")},
		"AES-256": {Type: AES, Algorithm: AES256CFB, KeyID: "1a2e", Key: Bytes("0123456789abcdef0123456789ABCDEF"), Secret: Bytes("fedcba9876543210")},
		"ECDSA":   pairs()["ECDSA"],
		"RSA":     pairs()["RSA"],
	}
}

// others returns material of the same kinds with other secrets, but the same
// identifiers in signatures.
func others() map[string]Material {
	all := materials()
	for name, m := range all {
		if m.Type == PublicKey {
			continue
		}
		m.Secret = append(Bytes(nil), m.Secret...)
		m.Secret[0] ^= 1
		all[name] = m
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	all["ECDSA"] = pairOf(ec)
	delete(all, "RSA")
	return all
}

func mustKey(tb testing.TB, m Material) *Key {
	tb.Helper()
	key, err := NewKey(m)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func mustVerifier(tb testing.TB, keys Keys, options VerifierOptions) *Verifier {
	tb.Helper()
	if options.Now == nil {
		options.Now = func() time.Time { return signedAt }
	}
	verifier, err := NewVerifier(keys, options)
	if err != nil {
		tb.Fatal(err)
	}
	return verifier
}
