// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"time"
)

// The headers of a signature in addition to the one that carries it.
const (
	// HeaderDate carries the time of signing in UTC, formatted with DateLayout.
	HeaderDate = "X-Sdk-Date"
	// HeaderPayload carries the SHA-256 of the body in lower-case hexadecimal
	// digits, or UnsignedPayload.
	HeaderPayload = "X-Sdk-Content-Sha256"
)

const (
	// DefaultHeader carries the signature unless another name is set.
	DefaultHeader = "Authorization"
	// DateLayout is the layout of HeaderDate for the package time.
	DateLayout = "20060102T150405Z"
	// UnsignedPayload is the payload of a request whose body is not signed.
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	// EmptyPayload is the payload of a request without a body.
	EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Request is a request as the backend receives it. Signing and verifying do not
// change it.
type Request struct {
	// Method is signed as it is. It must not contain lower-case letters.
	Method string
	// Target is the path and the query, escaped as on the wire: "/a%20b?c=d".
	Target string
	// Host is the Host header or :authority. It is always signed.
	Host string
	// Header contains the headers to sign under their canonical names. For
	// verifying, it contains all headers of the request.
	Header http.Header
	// SignedHeaders are the names of further headers to sign, case-insensitive. Names
	// that the request does not have are skipped: with
	// VerifierOptions.RequiredHeaders, a backend refuses such a header if it is added
	// later. Verifying ignores this field.
	SignedHeaders []string
	// Payload is the digest of the body (see Digest) or UnsignedPayload. For
	// verifying, it is the digest of the received body, or empty if unknown.
	Payload string
}

// Headers are the values of the three headers of a signature, whatever the type.
// For Basic, Date and Payload are only informative, and Signature contains the
// password. The struct prints as [redacted].
type Headers struct {
	hidden

	// Signature is the value of the header that carries the signature.
	Signature string
	// Date is the value of HeaderDate.
	Date string
	// Payload is the value of HeaderPayload.
	Payload string
}

// Set sets the three headers and replaces existing values. The name is that of the
// header that carries the signature. Defaults to DefaultHeader.
func (s Headers) Set(header http.Header, name string) {
	if name == "" {
		name = DefaultHeader
	}
	values := []string{s.Signature, s.Date, s.Payload}
	for i, name := range [...]string{http.CanonicalHeaderKey(name), HeaderDate, HeaderPayload} {
		header[name] = values[i : i+1 : i+1]
	}
}

// Sign signs the request with the given time as its date. It returns either all
// headers or an error. The error is a *RefusalError with ErrCannotSign, ErrMethod,
// ErrTarget, ErrHost, ErrHeaderName, ErrHeaderValue or ErrPayload as its reason. It
// quotes no values.
func (k *Key) Sign(r *Request, at time.Time) (Headers, error) {
	if !k.canSign {
		return Headers{}, refuse(ErrCannotSign)
	}
	if !isPayload(r.Payload) {
		return Headers{}, refuse(ErrPayload)
	}
	c := borrowCanonical()
	defer c.release()
	signed := covered{request: r, date: at.UTC().Format(DateLayout), payload: r.Payload}
	var err error
	if signed.names, err = c.namesToSign(r); err != nil {
		return Headers{}, refuse(err)
	}
	signature, err := k.header(c, &signed)
	if err != nil {
		return Headers{}, refuse(err)
	}
	return Headers{Signature: signature, Date: signed.date, Payload: signed.payload}, nil
}

// valueSize has room for the headers of most signatures.
const valueSize = 512

// header returns the value of the header that carries the signature.
func (k *Key) header(c *canonical, signed *covered) (string, error) {
	if k.basic != nil {
		// Refuse requests that the other types cannot sign: whether a request
		// succeeds must not depend on the type of the key.
		return k.basic.header, c.write(signed, decodedOrder)
	}
	text, err := c.stringToSign(k.scheme.name(), signed, decodedOrder)
	if err != nil {
		return "", err
	}
	// The buffer keeps its size for the next signature.
	c.text = slices.Grow(text, valueSize)
	value := c.text[len(text):]
	value = append(value, k.scheme.name()...)
	value = append(value, " Access="...)
	value = append(value, k.access...)
	value = append(value, ", SignedHeaders="...)
	for i, name := range signed.names {
		if i > 0 {
			value = append(value, ';')
		}
		value = append(value, name...)
	}
	value = append(value, ", Signature="...)
	if value, err = k.scheme.appendSignature(value, text); err != nil {
		return "", err
	}
	return string(value), nil
}

// namesToSign returns the three headers that are always signed, and the further
// ones that the request has.
func (c *canonical) namesToSign(r *Request) ([]string, error) {
	names := c.names[:0]
	names = append(names, nameHost, nameDate, namePayload)
	for _, name := range r.SignedHeaders {
		name = lower(name)
		if !isLowerToken(name) || name == nameAuthorization {
			return nil, because(ErrHeaderName, name)
		}
		if len(r.Header.Values(name)) > 0 {
			names = append(names, name)
		}
	}
	c.names = names
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Digest returns the payload of a body: its SHA-256 in lower-case hexadecimal
// digits.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], sum[:])
	return string(digits[:])
}

// isPayload reports whether the text is a valid value of HeaderPayload.
func isPayload(payload string) bool {
	return payload == UnsignedPayload || isDigest(payload)
}

// isDigest reports whether the text is a SHA-256 in the form of Digest.
func isDigest(payload string) bool {
	for i := range len(payload) {
		if b := payload[i]; (b < '0' || '9' < b) && (b < 'a' || 'f' < b) {
			return false
		}
	}
	return len(payload) == 2*sha256.Size
}
