// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"time"
)

// KeySource has the key to sign with: a *Key, a *KeySet, or your own.
type KeySource interface {
	// SigningKey is the key to sign the next request with.
	SigningKey() (*Key, error)
}

// Transport is an http.RoundTripper that signs requests. It sends none that it
// could not sign.
type Transport struct {
	// Keys has the key to sign with.
	Keys KeySource
	// Base sends the signed requests; left out: http.DefaultTransport.
	Base http.RoundTripper
	// Header carries the signature; left out: DefaultHeader.
	Header string
	// SignedHeaders are further headers to sign, where a request has them.
	SignedHeaders []string
	// UnsignedPayload leaves the body out of the signature, and so needs not
	// read it first.
	UnsignedPayload bool
	// MaxBody is how many bytes of a body that cannot be read twice are held in
	// memory; left out: DefaultMaxBody. Larger ones fail with ErrBodyTooLarge.
	MaxBody int64
	// Now is the clock; left out: time.Now.
	Now func() time.Time
}

// RoundTrip signs a copy of the request and sends it. Errors of what cannot be
// signed are a *Refusal, or those of Keys.
//
// An http.Client asks it for redirects too: with keys of type Basic, forbid
// those to other hosts (CheckRedirect), since they would get the password.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	signed, err := t.sign(r)
	if err != nil {
		// Whoever sends a request has to close its body, also in failure.
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	if t.Base != nil {
		return t.Base.RoundTrip(signed)
	}
	return http.DefaultTransport.RoundTrip(signed)
}

func (t *Transport) sign(r *http.Request) (*http.Request, error) {
	carrier, err := headerName(t.Header)
	if err != nil {
		return nil, err
	}
	names, err := headersToSign(t.SignedHeaders, carrier)
	if err != nil {
		return nil, err
	}
	if t.Keys == nil {
		return nil, ErrNoKey
	}
	key, err := t.Keys.SigningKey()
	if err != nil {
		return nil, err
	}
	signed := r.Clone(r.Context())
	if signed.Header == nil {
		signed.Header = http.Header{}
	}
	payload, err := t.payload(signed)
	if err != nil {
		return nil, err
	}
	now := time.Now
	if t.Now != nil {
		now = t.Now
	}
	headers, err := key.Sign(&Request{
		Method: cmp.Or(r.Method, http.MethodGet), Target: r.URL.RequestURI(), Host: cmp.Or(r.Host, r.URL.Host),
		Header: signed.Header, SignedHeaders: names, Payload: payload,
	}, now())
	if err != nil {
		return nil, err
	}
	headers.Set(signed.Header, carrier)
	return signed, nil
}

// payload reads a body only if there is no other way: most can be had twice.
func (t *Transport) payload(r *http.Request) (string, error) {
	if t.UnsignedPayload {
		return UnsignedPayload, nil
	}
	if r.Body == nil || r.Body == http.NoBody || r.GetBody == nil {
		return digestBody(r, cmp.Or(t.MaxBody, DefaultMaxBody))
	}
	second, err := r.GetBody()
	if err != nil {
		return "", because(ErrBody, err.Error())
	}
	defer second.Close() //nolint:errcheck // It was only read.
	hash := sha256.New()
	if _, err := io.Copy(hash, second); err != nil {
		return "", because(ErrBody, err.Error())
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
