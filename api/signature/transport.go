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

// KeySource provides the key to sign with: a *Key, a *KeySet, or your own
// implementation.
type KeySource interface {
	// SigningKey returns the key for the next request.
	SigningKey() (*Key, error)
}

// Transport is an http.RoundTripper that signs requests. It does not send requests
// that it cannot sign.
type Transport struct {
	// Keys provides the key to sign with. Required.
	Keys KeySource
	// Base sends the signed requests. Defaults to http.DefaultTransport.
	Base http.RoundTripper
	// Header is the name of the header that carries the signature. Defaults to
	// DefaultHeader.
	Header string
	// SignedHeaders are the names of further headers to sign if a request has them.
	SignedHeaders []string
	// UnsignedPayload excludes the body from the signature. The Transport then does
	// not read it before sending.
	UnsignedPayload bool
	// MaxBody is the maximum size in bytes of a body that cannot be read twice and
	// is therefore held in memory. Larger ones fail with ErrBodyTooLarge. Defaults
	// to DefaultMaxBody.
	MaxBody int64
	// Now returns the current time. Defaults to time.Now.
	Now func() time.Time
}

// RoundTrip signs a copy of the request and sends it. If the request cannot be
// signed, the error is a *RefusalError or the error of Keys. It signs what net/http
// sends: without headers that net/http writes itself or that HTTP/2 does not have.
//
// An http.Client also uses it for redirects: with keys of type Basic, prevent
// redirects to other hosts (CheckRedirect), which would receive the password.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	signed, err := t.sign(r)
	if err != nil {
		// A RoundTripper must close the body even if it fails.
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
	signed.Host = sentHost(r)
	headers, err := key.Sign(&Request{
		Method: cmp.Or(r.Method, http.MethodGet), Target: sentTarget(r), Host: signed.Host,
		Header: sentHeader(r.Header), SignedHeaders: names, Payload: payload,
	}, now())
	if err != nil {
		return nil, err
	}
	// The client's headers of these names can be in any case.
	for name := range signed.Header {
		switch http.CanonicalHeaderKey(name) {
		case carrier, HeaderDate, HeaderPayload:
			delete(signed.Header, name)
		}
	}
	headers.Set(signed.Header, carrier)
	return signed, nil
}

// payload reads the body into memory only if GetBody cannot provide it again.
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
	defer second.Close() //nolint:errcheck // it was only read
	hash := sha256.New()
	if _, err := io.Copy(hash, second); err != nil {
		return "", because(ErrBody, err.Error())
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
