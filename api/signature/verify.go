// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

const (
	// DefaultWindow is the maximum difference between date and clock, in either
	// direction.
	DefaultWindow = 15 * time.Minute
	// DefaultMaxBody is the maximum size of a body in bytes.
	DefaultMaxBody = 1 << 20
)

// Keys provides the keys that a Verifier accepts: a *Key, a KeyList, a *KeySet, or
// your own implementation.
type Keys interface {
	// Accepted returns the keys that are accepted at the given time. The Verifier
	// does not change the slice.
	Accepted(at time.Time) []*Key
}

// KeyList is a list of keys that are always accepted.
type KeyList []*Key

// Accepted returns the keys of the list.
func (l KeyList) Accepted(time.Time) []*Key { return l }

// VerifierOptions configure what a Verifier requires. The zero value is safe.
type VerifierOptions struct {
	// Header is the name of the header that carries the signature. Defaults to
	// DefaultHeader.
	Header string
	// Window is the maximum difference between date and clock, in either direction.
	// It must not be negative. Defaults to DefaultWindow.
	Window time.Duration
	// MaxBody is the maximum size of a signed body in bytes. Unsigned bodies are not
	// read. It must not be negative. Defaults to DefaultMaxBody.
	MaxBody int64
	// AllowUnsignedPayload accepts requests whose body is not signed. A binding with
	// `payload: Unsigned` requires it.
	AllowUnsignedPayload bool
	// AllowUnsignedHost accepts signatures that do not cover the host. Such a request
	// can be replayed at every backend that accepts the key.
	AllowUnsignedHost bool
	// RequiredHeaders must be signed if the request has them. Otherwise an attacker
	// between gateway and backend could add a header that the signer signs only if
	// the request has it.
	RequiredHeaders []string
	// Now returns the current time. Defaults to time.Now.
	Now func() time.Time
	// Logger receives the requests that Handler refuses, with the reason. Without a
	// Logger, nothing is logged.
	Logger *slog.Logger
	// OnRefusal is called with a *RefusalError for each request that Handler refuses.
	OnRefusal func(r *http.Request, err error)
}

// Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	keys    Keys
	options VerifierOptions
	// header is the canonical name of the header that carries the signature, and
	// carrier the same name in lower case.
	header, carrier string
	// required are RequiredHeaders in lower case.
	required []string
}

// NewVerifier returns a Verifier that accepts the keys. It fails if an option is
// invalid.
func NewVerifier(keys Keys, options VerifierOptions) (*Verifier, error) {
	if keys == nil {
		return nil, errors.New("no keys given")
	}
	if options.Window < 0 || options.MaxBody < 0 {
		return nil, errors.New("window and maximum body size must not be negative")
	}
	header, err := headerName(options.Header)
	if err != nil {
		return nil, err
	}
	v := &Verifier{keys: keys, options: options, header: header, carrier: lower(header)}
	v.options.Window = cmp.Or(options.Window, DefaultWindow)
	v.options.MaxBody = cmp.Or(options.MaxBody, DefaultMaxBody)
	if v.options.Now == nil {
		v.options.Now = time.Now
	}
	if v.required, err = headersToSign(options.RequiredHeaders, header); err != nil {
		return nil, err
	}
	return v, nil
}

// headerName returns the canonical name of the header that carries the signature.
func headerName(name string) (string, error) {
	name = cmp.Or(name, DefaultHeader)
	switch l := lower(name); {
	case !isLowerToken(l), l == nameHost, l == nameDate, l == namePayload:
		return "", fmt.Errorf("%w: %q cannot carry a signature", ErrHeaderName, name)
	}
	return http.CanonicalHeaderKey(name), nil
}

// headersToSign returns the names in lower case. The header that carries the
// signature cannot be signed.
func headersToSign(names []string, carrier string) ([]string, error) {
	listed := make([]string, 0, len(names))
	for _, name := range names {
		l := lower(name)
		if !isLowerToken(l) || l == nameAuthorization || l == lower(carrier) {
			return nil, fmt.Errorf("%w: %q", ErrHeaderName, name)
		}
		listed = append(listed, l)
	}
	return listed, nil
}

// Verify verifies a request that a server has received, and returns the key that
// signed it. It reads a signed body, up to MaxBody bytes, and replaces it by one that
// can be read again. Closing that one releases its memory for other requests, which
// Handler does. The error is a *RefusalError.
//
// Call it before anything rewrites the request: it uses r.Host, and the path and the
// query of r.URL.
func (v *Verifier) Verify(r *http.Request) (*Key, error) {
	target := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	described := Request{Method: r.Method, Target: target, Host: r.Host, Header: r.Header}
	return v.verifyDescribed(&described, func() (string, error) { return digestBody(r, v.options.MaxBody) })
}

// VerifyRequest verifies a request that the caller describes, and returns the key
// that signed it. The caller reads the body: without its digest in r.Payload, only
// requests with an unsigned payload are accepted. The error is a *RefusalError.
func (v *Verifier) VerifyRequest(r *Request) (*Key, error) {
	return v.verifyDescribed(r, func() (string, error) {
		if !isDigest(r.Payload) {
			return "", because(ErrPayloadMismatch, "the digest of the body is unknown")
		}
		return r.Payload, nil
	})
}

// verifyDescribed calls digest only after all checks that do not need the body.
func (v *Verifier) verifyDescribed(r *Request, digest func() (string, error)) (*Key, error) {
	now := v.options.Now()
	carried, err := single(r.Header, v.header, ErrNoSignature)
	if err != nil {
		return nil, err
	}
	if credential, found := cutBasic(carried); found {
		return verifyBasic(credential, v.keys.Accepted(now))
	}
	c := borrowCanonical()
	defer c.release()
	if _, err := appendMethod(c.text[:0], r.Method); err != nil {
		return nil, refuse(err)
	}
	header, err := c.parseHeader(carried)
	if err != nil {
		return nil, refuse(err)
	}
	signed := covered{request: r, names: header.names}
	if err := v.checkNames(r, header.names); err != nil {
		return nil, err
	}
	if signed.date, err = v.date(r.Header, now); err != nil {
		return nil, err
	}
	candidates := v.candidates(&header, now)
	if len(candidates) == 0 {
		return nil, refuse(ErrUnknownKey)
	}
	if signed.payload, err = v.payload(r.Header, header.names, digest); err != nil {
		return nil, refuse(err)
	}
	return match(c, &signed, &header, candidates)
}

// checkNames returns an error unless all required headers are signed.
func (v *Verifier) checkNames(r *Request, names []string) error {
	if !slices.Contains(names, nameDate) {
		return because(ErrUnsignedHeader, nameDate)
	}
	if !v.options.AllowUnsignedHost && !slices.Contains(names, nameHost) {
		return because(ErrUnsignedHeader, nameHost)
	}
	for _, name := range names {
		if name == nameAuthorization || name == v.carrier {
			return because(ErrSignedHeaders, "contains the signature header")
		}
	}
	for _, name := range v.required {
		if !slices.Contains(names, name) && len(r.Header.Values(name)) > 0 {
			return because(ErrUnsignedHeader, name)
		}
	}
	return nil
}

func (v *Verifier) date(header http.Header, now time.Time) (string, error) {
	text, err := single(header, HeaderDate, ErrMissingHeader)
	if err != nil {
		return "", err
	}
	date, err := time.Parse(DateLayout, text)
	// Parse accepts fractions of a second that the layout does not have.
	if err != nil || len(text) != len(DateLayout) {
		return "", refuse(ErrDate)
	}
	if now.Sub(date).Abs() > v.options.Window {
		return "", because(ErrOutsideWindow, text)
	}
	return text, nil
}

// payload returns the payload for the canonical request. The header counts only if
// it is signed and matches the body.
func (v *Verifier) payload(header http.Header, names []string, digest func() (string, error)) (string, error) {
	if len(header.Values(HeaderPayload)) > 1 {
		return "", because(ErrDuplicateHeader, HeaderPayload)
	}
	if !slices.Contains(names, namePayload) {
		return digest()
	}
	claimed, err := single(header, HeaderPayload, ErrMissingHeader)
	if err != nil {
		return "", err
	}
	if claimed == UnsignedPayload {
		if !v.options.AllowUnsignedPayload {
			return "", ErrUnsignedPayload
		}
		return claimed, nil
	}
	if !isDigest(claimed) {
		return "", ErrPayload
	}
	actual, err := digest()
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(claimed), []byte(actual)) != 1 {
		return "", ErrPayloadMismatch
	}
	return claimed, nil
}

// candidates returns the accepted keys with the algorithm and identifier in the
// header. Versions of a key can have the same identifier.
func (v *Verifier) candidates(header *signatureHeader, now time.Time) []*Key {
	var candidates []*Key
	for _, key := range v.keys.Accepted(now) {
		if key.scheme != nil && key.scheme.name() == header.scheme && key.access == header.access {
			candidates = append(candidates, key)
		}
	}
	return candidates
}

// match tries the candidates with the query in both orders, which cover the same
// parameters.
func match(c *canonical, signed *covered, header *signatureHeader, candidates []*Key) (*Key, error) {
	for _, order := range []queryOrder{decodedOrder, encodedOrder} {
		text, err := c.stringToSign(header.scheme, signed, order)
		if err != nil {
			return nil, refuse(err)
		}
		for _, key := range candidates {
			if key.scheme.verify(text, header.signature) {
				return key, nil
			}
		}
		if !c.query.ambiguous() {
			break
		}
	}
	return nil, refuse(ErrMismatch)
}

// single returns the value of a header that must not be repeated: two parties could
// read different values.
func single(header http.Header, name string, missing error) (string, error) {
	values := header.Values(name)
	if len(values) > 1 {
		return "", because(ErrDuplicateHeader, name)
	}
	if len(values) == 0 || values[0] == "" {
		return "", because(missing, name)
	}
	return values[0], nil
}
