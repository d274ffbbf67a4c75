// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The headers of a signature besides the one that carries it.
const (
	// HeaderDate carries when the request was signed: UTC, as DateLayout.
	HeaderDate = "X-Sdk-Date"
	// HeaderPayload carries the SHA-256 of the body in lower-case hexadecimal
	// digits, or UnsignedPayload.
	HeaderPayload = "X-Sdk-Content-Sha256"
)

const (
	// DefaultHeader carries the signature where no other name is chosen.
	DefaultHeader = "Authorization"
	// DateLayout is the form of HeaderDate.
	DateLayout = "20060102T150405Z"
	// UnsignedPayload stands for a body that is not signed.
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	// EmptyPayload is the digest of a request without a body.
	EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Request is a request as the backend sees it: all that a signature can cover.
// Signing and verifying leave it as it is.
type Request struct {
	// Method is signed in upper case.
	Method string
	// Target is path and query, escaped as on the wire: "/a%20b?c=d".
	Target string
	// Host is the Host header or :authority. It is always signed.
	Host string
	// Header has the headers to sign under their canonical names. When
	// verifying, it has all headers of the request.
	Header http.Header
	// SignedHeaders are names of further headers to sign, in any case. One that
	// the request does not have is left out: see VerifierOptions.RequiredHeaders
	// for how a backend notices that it was added later. Not for verifying.
	SignedHeaders []string
	// Payload is the digest of the body (see Digest), or UnsignedPayload. When
	// verifying: the digest of the body that came, or empty if it is not known.
	Payload string
}

// Headers are the values of the three headers that every signature consists of,
// whatever the type. For Basic, Date and Payload only inform, and Signature has
// the password in it: the struct prints as [redacted].
type Headers struct {
	hidden

	// Signature is for the header that carries the signature.
	Signature string
	// Date is for HeaderDate.
	Date string
	// Payload is for HeaderPayload.
	Payload string
}

// Set replaces the three headers. The name is that of the header which carries
// the signature, DefaultHeader if empty.
func (s Headers) Set(header http.Header, name string) {
	if name == "" {
		name = DefaultHeader
	}
	header.Set(name, s.Signature)
	header.Set(HeaderDate, s.Date)
	header.Set(HeaderPayload, s.Payload)
}

// Sign signs the request as of that time: all of it, or it fails with no
// headers. The error is a *Refusal with ErrCannotSign, ErrMethod, ErrTarget,
// ErrHost, ErrHeaderName, ErrHeaderValue or ErrPayload; it quotes no values.
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

// header is the value of the header that carries the signature.
func (k *Key) header(c *canonical, signed *covered) (string, error) {
	if k.basic != nil {
		// What could not be signed with the other types is refused here too:
		// whether a request passes must not depend on the type of its key.
		return k.basic.header, c.write(signed, decodedOrder)
	}
	text, err := c.stringToSign(k.scheme.name(), signed, decodedOrder)
	if err != nil {
		return "", err
	}
	value := text[len(text):]
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

// namesToSign are the three that are always signed, and the further ones that
// the request has.
func (c *canonical) namesToSign(r *Request) ([]string, error) {
	names := append(c.names[:0], nameHost, nameDate, namePayload)
	for _, name := range r.SignedHeaders {
		name = strings.ToLower(name)
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

// Digest is the payload of a body: its SHA-256 in lower-case hexadecimal digits.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], sum[:])
	return string(digits[:])
}

// isPayload says whether a signer may put it into HeaderPayload.
func isPayload(payload string) bool {
	return payload == UnsignedPayload || isDigest(payload)
}

// isDigest says whether it is a SHA-256 as Digest writes it.
func isDigest(payload string) bool {
	for i := range len(payload) {
		if b := payload[i]; (b < '0' || '9' < b) && (b < 'a' || 'f' < b) {
			return false
		}
	}
	return len(payload) == 2*sha256.Size
}
