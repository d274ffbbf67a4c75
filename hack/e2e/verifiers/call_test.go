// SPDX-License-Identifier: Apache-2.0

package verifiers_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-dev/signet/api/signature"
)

// signedAt is when the requests of the tests were signed.
var signedAt = time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)

type header struct{ name, value string }

// call is a request as a backend receives it, and how its verifier is set up.
type call struct {
	now       time.Time
	directory string
	// header carries the signature; empty: Authorization.
	header   string
	unsigned bool
	required string

	method, target, body string
	headers              []header
}

func (c *call) carrier() string {
	if c.header == "" {
		return signature.DefaultHeader
	}
	return c.header
}

func (c *call) get(name string) string {
	for _, h := range c.headers {
		if strings.EqualFold(h.name, name) {
			return h.value
		}
	}
	return ""
}

// set puts values in place of those that the header has.
func (c *call) set(name string, values ...string) {
	c.headers = slices.DeleteFunc(slices.Clone(c.headers), func(h header) bool { return strings.EqualFold(h.name, name) })
	for _, value := range values {
		c.headers = append(c.headers, header{name, value})
	}
}

// replace changes the value that carries the signature.
func (c *call) replace(old, replacement string) {
	value := c.get(c.carrier())
	if !strings.Contains(value, old) {
		panic(old + " is not in " + value)
	}
	c.set(c.carrier(), strings.Replace(value, old, replacement, 1))
}

func (c *call) signature() string {
	_, text, _ := strings.Cut(c.get(c.carrier()), "Signature=")
	return text
}

func (c *call) scheme() string {
	name, _, _ := strings.Cut(c.get(c.carrier()), " ")
	return name
}

// sign signs the call with further headers of its own.
func (c *call) sign(t *testing.T, m signature.Material, payload string, names ...string) {
	t.Helper()
	key, err := signature.NewKey(m)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := key.Sign(&signature.Request{
		Method: c.method, Target: c.target, Host: c.get("host"), Header: c.httpHeader(), SignedHeaders: names, Payload: payload,
	}, signedAt)
	if err != nil {
		t.Fatalf("%s: %v", c.target, err)
	}
	c.set(c.carrier(), signed.Signature)
	c.set(signature.HeaderDate, signed.Date)
	c.set(signature.HeaderPayload, signed.Payload)
}

func (c *call) httpHeader() http.Header {
	headers := http.Header{}
	for _, h := range c.headers {
		headers.Add(h.name, h.value)
	}
	return headers
}

// result returns what the library in Go finds for the call: "ok" and the key's ID, or
// "no" and the reason.
func (c *call) result(t *testing.T) string {
	t.Helper()
	verifier := c.verifier(t)
	if verifier == nil {
		return "no keys"
	}
	return c.judgedBy(t, verifier)
}

// verifier returns the verifier that the call asks for, or nil if the directory has
// no keys.
func (c *call) verifier(t *testing.T) *signature.Verifier {
	t.Helper()
	keys, err := signature.NewKeySet([]string{c.directory}, signature.KeySetOptions{})
	if err != nil {
		return nil
	}
	now := c.now
	verifier, err := signature.NewVerifier(keys, signature.VerifierOptions{
		Header: c.carrier(), AllowUnsignedPayload: c.unsigned, RequiredHeaders: strings.Fields(c.required),
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func (c *call) judgedBy(t *testing.T, verifier *signature.Verifier) string {
	t.Helper()
	headers := c.httpHeader()
	described := signature.Request{Method: c.method, Target: c.target, Header: headers, Payload: signature.Digest([]byte(c.body))}
	if hosts := headers.Values("Host"); len(hosts) == 1 {
		described.Host = hosts[0]
	}
	key, err := verifier.VerifyRequest(&described)
	if err != nil {
		refusal, ok := errors.AsType[*signature.RefusalError](err)
		if !ok {
			t.Fatalf("%T, want a *RefusalError", err)
		}
		return refused(refusal.Reason)
	}
	return "ok " + key.ID()
}

func refused(reason error) string { return "no " + reason.Error() }

// pairs are made once: RSA keys take their time.
var pairs = sync.OnceValue(func() map[string]signature.Material {
	made := map[string]signature.Material{}
	for _, name := range []string{"ECDSA", "other ECDSA"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		made[name] = pairOf(key, err)
	}
	for _, name := range []string{"RSA", "other RSA"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		made[name] = pairOf(key, err)
	}
	return made
})

func pairOf(private crypto.Signer, err error) signature.Material {
	public, errPublic := x509.MarshalPKIXPublicKey(private.Public())
	secret, errSecret := x509.MarshalPKCS8PrivateKey(private)
	if err := errors.Join(err, errPublic, errSecret); err != nil {
		panic(err)
	}
	return signature.Material{
		Type: signature.PublicKey, KeyID: "5f0c",
		Key:    signature.Bytes(base64.StdEncoding.EncodeToString(public)),
		Secret: signature.Bytes(base64.StdEncoding.EncodeToString(secret)),
	}
}

// materials has material of every kind, and of each kind another that has the
// same name in signatures.
func materials() (all, others map[string]signature.Material) {
	all = map[string]signature.Material{
		"HMAC":    {Type: signature.HMAC, KeyID: "1a2b", Key: signature.Bytes("orders_app"), Secret: signature.Bytes("s3cret_!@#$%-0123456789")},
		"Basic":   {Type: signature.Basic, KeyID: "1a2c", Key: signature.Bytes("orders"), Secret: signature.Bytes("pass:word!@#$%")},
		"AES-128": {Type: signature.AES, Algorithm: signature.AES128CFB, KeyID: "1a2d", Key: signature.Bytes("0123456789abcdef"), Secret: signature.Bytes("fedcba9876543210")},
		"AES-256": {Type: signature.AES, Algorithm: signature.AES256CFB, KeyID: "1a2e", Key: signature.Bytes("0123456789abcdef0123456789ABCDEF"), Secret: signature.Bytes("fedcba9876543210")},
		"ECDSA":   pairs()["ECDSA"],
		"RSA":     pairs()["RSA"],
	}
	others = map[string]signature.Material{"ECDSA": pairs()["other ECDSA"], "RSA": pairs()["other RSA"]}
	for name, m := range all {
		if m.Type != signature.PublicKey {
			m.Secret = append(signature.Bytes(nil), m.Secret...)
			m.Secret[0] ^= 1
			others[name] = m
		}
	}
	return all, others
}

// mount writes material as a managed Secret has it, without the private
// component of a pair, and moves all files into place at once, as the kubelet does.
func mount(t *testing.T, directory string, active signature.Material, more map[string]string) {
	t.Helper()
	files := map[string]string{"type": string(active.Type), "created": "2024-01-01T00:00:00Z"}
	if active.Algorithm != "" {
		files["algorithm"] = string(active.Algorithm)
	}
	for name, value := range components("", active) {
		files[name] = value
	}
	for name, value := range more {
		files[name] = value
	}
	place, err := os.MkdirTemp(directory, "..data-")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range files {
		if err := os.WriteFile(filepath.Join(place, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(directory, "..data")
	if err := errors.Join(os.Symlink(filepath.Base(place), link+"_tmp"), os.Rename(link+"_tmp", link)); err != nil {
		t.Fatal(err)
	}
}

// components returns the files of one version.
func components(prefix string, m signature.Material) map[string]string {
	files := map[string]string{prefix + "key": string(m.Key), prefix + "key-id": m.KeyID}
	if m.Type != signature.PublicKey {
		files[prefix+"secret"] = string(m.Secret)
	}
	return files
}
