package signature

import (
	"net/http"
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
// whatever the type. For Basic, Date and Payload only inform.
type Headers struct {
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

// Sign signs the request as of that time: all of it, or it fails with the
// zero Headers. The errors are ErrCannotSign, ErrMethod, ErrTarget, ErrHost,
// ErrHeaderName, ErrHeaderValue and ErrPayload; they quote no values.
func (k *Key) Sign(r *Request, at time.Time) (Headers, error) {
	return Headers{}, ErrCannotSign
}

// Digest is the payload of a body: its SHA-256 in lower-case hexadecimal digits.
func Digest(body []byte) string { return "" }
