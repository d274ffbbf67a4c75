// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNewKeyRefusesInvalidMaterial(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // too small on purpose
	if err != nil {
		t.Fatal(err)
	}
	all := materials()
	change := func(kind string, edit func(*Material)) Material {
		m := all[kind]
		edit(&m)
		return m
	}
	for name, c := range map[string]struct {
		material Material
		field    string
	}{
		"no type":                     {Material{}, "type"},
		"another type":                {change("HMAC", func(m *Material) { m.Type = "hmac" }), "type"},
		"an algorithm":                {change("HMAC", func(m *Material) { m.Algorithm = AES128CFB }), "algorithm"},
		"HMAC without a key":          {change("HMAC", func(m *Material) { m.Key = nil }), "key"},
		"HMAC without a secret":       {change("HMAC", func(m *Material) { m.Secret = nil }), "secret"},
		"HMAC with a line break":      {change("HMAC", func(m *Material) { m.Secret = Bytes("planted-secret\n") }), "secret"},
		"HMAC with a comma":           {change("HMAC", func(m *Material) { m.Key = Bytes("planted,key") }), "key"},
		"Basic with a colon":          {change("Basic", func(m *Material) { m.Key = Bytes("planted:key") }), "key"},
		"Basic without a secret":      {change("Basic", func(m *Material) { m.Secret = nil }), "secret"},
		"AES without an algorithm":    {change("AES-128", func(m *Material) { m.Algorithm = "" }), "algorithm"},
		"AES with another algorithm":  {change("AES-128", func(m *Material) { m.Algorithm = AES256CFB }), "key"},
		"AES with a short vector":     {change("AES-128", func(m *Material) { m.Secret = m.Secret[1:] }), "secret"},
		"AES without an id":           {change("AES-128", func(m *Material) { m.KeyID = "" }), "key-id"},
		"a pair without an id":        {change("ECDSA", func(m *Material) { m.KeyID = "" }), "key-id"},
		"a pair without a key":        {change("ECDSA", func(m *Material) { m.Key = nil }), "key"},
		"a key that is no base64":     {change("ECDSA", func(m *Material) { m.Key = Bytes("planted-key!") }), "key"},
		"a key that is not SPKI":      {change("ECDSA", func(m *Material) { m.Key = m.Secret }), "key"},
		"a key with bits unused":      {change("ECDSA", func(m *Material) { m.Key = unusedBits(m.Key) }), "key"},
		"a secret with more after":    {change("ECDSA", func(m *Material) { m.Secret = longer(m.Secret) }), "secret"},
		"a key with more after":       {change("ECDSA", func(m *Material) { m.Key = longer(m.Key) }), "key"},
		"a key as PEM":                {change("ECDSA", func(m *Material) { m.Key = Bytes("-----BEGIN PUBLIC KEY-----\n") }), "key"},
		"a secret that is not PKCS#8": {change("ECDSA", func(m *Material) { m.Secret = m.Key }), "secret"},
		"components of two pairs":     {change("ECDSA", func(m *Material) { m.Secret = others()["ECDSA"].Secret }), "key and secret do not belong together"},
		"components of two kinds":     {change("RSA", func(m *Material) { m.Secret = all["ECDSA"].Secret }), "key and secret do not belong together"},
		"another curve":               {pairOf(p384), "key"},
		"a short RSA key":             {pairOf(small), "key"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := NewKey(c.material)
			if key != nil || !errors.Is(err, ErrMaterial) || !strings.Contains(err.Error(), c.field) {
				t.Fatalf("NewKey = %v, %v, want ErrMaterial for %s", key, err, c.field)
			}
			if strings.Contains(err.Error(), "planted") {
				t.Errorf("the error quotes material: %v", err)
			}
		})
	}
}

// unusedBits sets unused bits of the last digit before the padding: another form of
// the same bytes.
func unusedBits(component Bytes) Bytes {
	spelled := bytes.Clone(component)
	last := len(bytes.TrimRight(spelled, "=")) - 1
	if last == len(spelled)-1 {
		panic("there are no unused bits")
	}
	spelled[last]++
	return spelled
}

// longer has one byte after its DER.
func longer(component Bytes) Bytes {
	der, err := base64.StdEncoding.DecodeString(string(component))
	if err != nil {
		panic(err)
	}
	return Bytes(base64.StdEncoding.EncodeToString(append(der, 0)))
}

func TestPublicKeyAloneOnlyVerifies(t *testing.T) {
	for kind, material := range pairs() {
		t.Run(kind, func(t *testing.T) {
			public := material
			public.Secret = nil
			key := mustKey(t, public)
			if key.CanSign() {
				t.Error("CanSign without a private key")
			}
			headers, err := key.Sign(&Request{Method: "GET", Target: "/", Host: "h", Payload: EmptyPayload}, signedAt)
			if !errors.Is(err, ErrCannotSign) || headers != (Headers{}) {
				t.Errorf("Sign = %v, %v", headers, err)
			}
			if _, err := mustVerifier(t, key, VerifierOptions{}).Verify(signedRequest(t, mustKey(t, material))); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestKeyOwnsItsBytes checks that clearing material does not change the keys that
// were created from it.
func TestKeyOwnsItsBytes(t *testing.T) {
	for kind := range materials() {
		t.Run(kind, func(t *testing.T) {
			m := materials()[kind]
			m.Key, m.Secret = bytes.Clone(m.Key), bytes.Clone(m.Secret)
			key := mustKey(t, m)
			clear(m.Key)
			clear(m.Secret)
			if _, err := mustVerifier(t, mustKey(t, materials()[kind]), VerifierOptions{}).Verify(signedRequest(t, key)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNothingPrintsMaterial(t *testing.T) {
	const planted = "planted_secret_0123456789"
	material := Material{Type: HMAC, KeyID: "id", Key: Bytes("app_key1"), Secret: Bytes(planted)}
	key := mustKey(t, material)
	type holder struct{ Material Material }
	type secretHolder struct{ key *Key }
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(planted)), "[]")
	values := map[string]any{
		"Material": material, "*Material": &material, "Secret": material.Secret, "Key": key, "*Key value": *key,
		"in a struct": holder{material}, "hidden in a struct": secretHolder{key}, "in a map": map[string]any{"m": material, "k": key},
		"Headers": Headers{Signature: planted}, "Headers in a struct": struct{ Headers Headers }{Headers{Signature: planted}},
		"KeyList": KeyList{key}, "Verifier": mustVerifier(t, key, VerifierOptions{}), "Transport": &Transport{Keys: key},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			var texts []string
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				texts = append(texts, fmt.Sprintf(verb, value))
			}
			if encoded, err := json.Marshal(value); err == nil {
				texts = append(texts, string(encoded))
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
			for _, text := range append(texts, log.String()) {
				for _, form := range []string{planted, hex.EncodeToString([]byte(planted)), decimal} {
					if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
						t.Errorf("material in %q", text)
					}
				}
			}
		})
	}
	for name, text := range map[string]string{
		"Material.String": material.String(), "Material.GoString": material.GoString(), "Material.LogValue": material.LogValue().String(),
		"Bytes.String": material.Secret.String(), "Bytes.GoString": material.Secret.GoString(), "Bytes.LogValue": material.Secret.LogValue().String(),
		"Key.String": key.String(), "Key.GoString": key.GoString(), "Key.LogValue": key.LogValue().String(),
	} {
		if text != redacted {
			t.Errorf("%s = %q", name, text)
		}
	}
}
