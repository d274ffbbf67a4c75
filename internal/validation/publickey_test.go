// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

// What is accepted here is read by verifiers in seven languages, of which some
// take no other spelling than that of encoders.
func TestPairHasOneSpelling(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	spelled := base64.StdEncoding.EncodeToString
	bits := strings.TrimRight(spelled(public), "=")
	for name, c := range map[string]struct{ key, secret, field, message string }{
		"as encoders write it":          {spelled(public), spelled(secret), "", ""},
		"bits that mean nothing":        {bits[:len(bits)-1] + string(bits[len(bits)-1]+1) + "==", spelled(secret), "data[key]", "must be bare base64 of DER"},
		"no padding":                    {bits, spelled(secret), "data[key]", "must be bare base64 of DER"},
		"more behind the SPKI":          {spelled(append(public[:len(public):len(public)], 0)), spelled(secret), "data[key]", "must be bare base64 of DER"},
		"more behind the PKCS#8":        {spelled(public), spelled(append(secret[:len(secret):len(secret)], 0)), "data[secret]", "must be bare base64 of DER"},
		"a line break in the key":       {spelled(public)[:8] + "\n" + spelled(public)[8:], spelled(secret), "data[key]", "contains line breaks"},
		"a line break at its end":       {spelled(public), spelled(secret) + "\r\n", "data[secret]", "ends with a newline"},
		"components in the wrong place": {spelled(secret), spelled(public), "data[key]", "must be a public key as SPKI DER"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := validation.ValidateMaterial(signetv1alpha1.KeyTypePublicKey, "", []byte(c.key), []byte(c.secret))
			if c.field == "" {
				if len(errs) > 0 {
					t.Errorf("refused: %v", errs)
				}
				return
			}
			if len(errs) == 0 || errs[0].Field != c.field || !strings.Contains(errs[0].Detail, c.message) {
				t.Errorf("errors %v, want one at %s that contains %q", errs, c.field, c.message)
			}
		})
	}
}
