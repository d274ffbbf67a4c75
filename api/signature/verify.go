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
	"strings"
	"time"
)

const (
	// DefaultWindow is how far date and clock may be apart, in both directions.
	DefaultWindow = 15 * time.Minute
	// DefaultMaxBody is how many bytes of a body a Verifier reads.
	DefaultMaxBody = 1 << 20
)

// Keys are the keys that a Verifier accepts: a *Key, a KeyList, a *KeySet, or
// your own.
type Keys interface {
	// Accepted are the keys that are accepted at that time. The Verifier does
	// not change the slice.
	Accepted(at time.Time) []*Key
}

// KeyList are keys that are accepted for good.
type KeyList []*Key

// Accepted are the keys of the list.
func (l KeyList) Accepted(time.Time) []*Key { return l }

// VerifierOptions say what a Verifier demands. The zero value is safe.
type VerifierOptions struct {
	// Header carries the signature; left out: DefaultHeader.
	Header string
	// Window is how far the date may be from the clock, in both directions;
	// left out: DefaultWindow.
	Window time.Duration
	// MaxBody is how many bytes of a body are read; left out: DefaultMaxBody.
	// Bodies that are not signed are not read.
	MaxBody int64
	// AllowUnsignedPayload accepts requests whose body is not signed. It is
	// needed where the binding says `payload: Unsigned`.
	AllowUnsignedPayload bool
	// AllowUnsignedHost accepts signatures that leave the host out. Who captures
	// such a request can replay it at every backend that accepts the key.
	AllowUnsignedHost bool
	// RequiredHeaders have to be signed if the request has them. Without this,
	// somebody between gateway and backend can add a header that the signer
	// signs only where there is one.
	RequiredHeaders []string
	// Now is the clock; left out: time.Now.
	Now func() time.Time
	// Logger gets what Handler refuses, with the reason; left out: nothing is
	// logged.
	Logger *slog.Logger
	// OnRefusal is called for what Handler refuses, with a *Refusal.
	OnRefusal func(r *http.Request, err error)
}

// Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	keys    Keys
	options VerifierOptions
	// header is the canonical name of the header that carries the signature.
	header string
	// required are RequiredHeaders in lower case.
	required []string
}

// NewVerifier makes a Verifier of the keys. It fails on options that make no
// sense.
func NewVerifier(keys Keys, options VerifierOptions) (*Verifier, error) {
	if keys == nil {
		return nil, errors.New("a verifier needs keys")
	}
	if options.Window < 0 || options.MaxBody < 0 {
		return nil, errors.New("window and limit of the body cannot be negative")
	}
	header, err := headerName(options.Header)
	if err != nil {
		return nil, err
	}
	v := &Verifier{keys: keys, options: options, header: header}
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

// headerName is the canonical name of the header that carries the signature.
func headerName(name string) (string, error) {
	name = cmp.Or(name, DefaultHeader)
	switch lower := strings.ToLower(name); {
	case !isLowerToken(lower), lower == nameHost, lower == nameDate, lower == namePayload:
		return "", fmt.Errorf("%w: %q cannot carry a signature", ErrHeaderName, name)
	}
	return http.CanonicalHeaderKey(name), nil
}

// headersToSign are the names in lower case. The one that carries the signature
// cannot be part of it.
func headersToSign(names []string, carrier string) ([]string, error) {
	lower := make([]string, 0, len(names))
	for _, name := range names {
		l := strings.ToLower(name)
		if !isLowerToken(l) || l == nameAuthorization || strings.EqualFold(l, carrier) {
			return nil, fmt.Errorf("%w: %q", ErrHeaderName, name)
		}
		lower = append(lower, l)
	}
	return lower, nil
}

// Verify checks the request as a server has received it, and returns the key
// that signed it. It reads the body if that is signed, MaxBody bytes at most,
// and puts one in its place that can be read again. The error is a *Refusal.
//
// It has to see the request before anything rewrites it: host is r.Host, path
// and query those of r.URL.
func (v *Verifier) Verify(r *http.Request) (*Key, error) {
	target := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	described := Request{Method: r.Method, Target: target, Host: r.Host, Header: r.Header}
	return v.verify(&described, func() (string, error) { return digestBody(r, v.options.MaxBody) })
}

// VerifyRequest checks a request that is described by somebody else, and returns
// the key that signed it. The caller has read the body: without its digest in
// r.Payload, only requests with an unsigned payload can be accepted. The
// error is a *Refusal.
func (v *Verifier) VerifyRequest(r *Request) (*Key, error) {
	return v.verify(r, func() (string, error) {
		if !isDigest(r.Payload) {
			return "", because(ErrPayloadMismatch, "the body is not known")
		}
		return r.Payload, nil
	})
}

// verify asks for the digest of the body only if everything else is in order
// that can be seen without it.
func (v *Verifier) verify(r *Request, digest func() (string, error)) (*Key, error) {
	now := v.options.Now()
	carried, err := single(r.Header, v.header, ErrNoSignature)
	if err != nil {
		return nil, err
	}
	if credential, found := cutBasic(carried); found {
		return verifyBasic(credential, v.keys.Accepted(now))
	}
	// Methods are signed in upper case, and are different in lower case.
	if r.Method != strings.ToUpper(r.Method) {
		return nil, refuse(ErrMethod)
	}
	c := borrowCanonical()
	defer c.release()
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

// checkNames says whether all is signed that has to be.
func (v *Verifier) checkNames(r *Request, names []string) error {
	if !slices.Contains(names, nameDate) {
		return because(ErrUnsignedHeader, nameDate)
	}
	if !v.options.AllowUnsignedHost && !slices.Contains(names, nameHost) {
		return because(ErrUnsignedHeader, nameHost)
	}
	for _, name := range names {
		if name == nameAuthorization || strings.EqualFold(name, v.header) {
			return because(ErrSignedHeaders, "the signature's own header")
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
	// Parse takes fractions of a second that the layout does not have.
	if err != nil || len(text) != len(DateLayout) {
		return "", refuse(ErrDate)
	}
	if now.Sub(date).Abs() > v.options.Window {
		return "", because(ErrOutsideWindow, text)
	}
	return text, nil
}

// payload is what stands for the body in the canonical request. The header's
// word counts only if it is signed, and only if it is true.
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

// candidates are the accepted keys that the header may mean. Versions of a key
// can have the same identifier.
func (v *Verifier) candidates(header *signatureHeader, now time.Time) []*Key {
	var candidates []*Key
	for _, key := range v.keys.Accepted(now) {
		if key.scheme != nil && key.scheme.name() == header.scheme && key.access == header.access {
			candidates = append(candidates, key)
		}
	}
	return candidates
}

// match tries the candidates with the query in either order: both bind the same
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

// single is the value of a header that must not come twice: two parties could
// read two different ones.
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
