// SPDX-License-Identifier: Apache-2.0

package signature

import "errors"

// Why material is refused.
var (
	// ErrMaterial says that material cannot be used. The text names the half and
	// the rule, never a value.
	ErrMaterial = errors.New("material cannot be used")
	// ErrCannotSign says that a key only verifies: it has no private half.
	ErrCannotSign = errors.New("the key has no private half to sign with")
	// ErrNoKey says that a source has no key to sign with.
	ErrNoKey = errors.New("there is no key to sign with")
)

// Why a request cannot be signed, and why one is refused that came with a
// signature all the same.
var (
	// ErrMethod says that the method is no HTTP token.
	ErrMethod = errors.New("the method is not a token")
	// ErrTarget says that the target is no path with a query, or that an escape
	// in it is broken: two parties could read it as two different requests.
	ErrTarget = errors.New("the target is not a well-formed path and query")
	// ErrHost says that there is no host, or that it has characters no host has.
	ErrHost = errors.New("the host is missing or malformed")
	// ErrHeaderName says that a name of a header to sign is no lower-case token,
	// or that of a header that cannot be signed.
	ErrHeaderName = errors.New("the header cannot be signed")
	// ErrHeaderValue says that a value of a signed header has a line break or
	// NUL in it.
	ErrHeaderValue = errors.New("the header value contains a line break or NUL")
	// ErrPayload says that the payload is neither a SHA-256 in hexadecimal
	// digits nor UNSIGNED-PAYLOAD.
	ErrPayload = errors.New("the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD")
	// ErrBody says that the body could not be read.
	ErrBody = errors.New("the body could not be read")
	// ErrBodyTooLarge says that the body is larger than the limit.
	ErrBodyTooLarge = errors.New("the body is larger than the limit")
)

// Why a verifier refuses a request. Besides these there are those for requests
// that cannot be signed.
var (
	// ErrNoSignature says that the signature's header is missing or empty.
	ErrNoSignature = errors.New("no signature")
	// ErrDuplicateHeader says that the signature, the date or the payload came
	// more than once.
	ErrDuplicateHeader = errors.New("duplicate header")
	// ErrMalformed says that the signature's header cannot be read.
	ErrMalformed = errors.New("the signature header is malformed")
	// ErrAlgorithm says that no type has the algorithm that is named.
	ErrAlgorithm = errors.New("unknown algorithm")
	// ErrSignedHeaders says that the list of signed headers is not what a
	// signer writes: lower case, ascending, each once.
	ErrSignedHeaders = errors.New("the list of signed headers is malformed")
	// ErrUnsignedHeader says that a required header is not signed.
	ErrUnsignedHeader = errors.New("a required header is not signed")
	// ErrMissingHeader says that a header was signed and is not there.
	ErrMissingHeader = errors.New("a signed header is missing")
	// ErrDate says that the date is not of the form 20060102T150405Z.
	ErrDate = errors.New("the date is malformed")
	// ErrOutsideWindow says that the date is too far from the verifier's clock.
	ErrOutsideWindow = errors.New("the date is outside the window")
	// ErrUnknownKey says that no accepted key has this algorithm and ID.
	ErrUnknownKey = errors.New("no accepted key has this algorithm and ID")
	// ErrUnsignedPayload says that the body is not signed and has to be.
	ErrUnsignedPayload = errors.New("the body is not signed")
	// ErrPayloadMismatch says that the body does not match the signed digest.
	ErrPayloadMismatch = errors.New("the body does not match the signed digest")
	// ErrMismatch says that the signature is not that of any accepted key.
	ErrMismatch = errors.New("the signature does not match")
)

// PublicText is all that a client is told, whatever the reason of a refusal.
const PublicText = "invalid request signature"

// maxDetail is how much of a request a refusal quotes.
const maxDetail = 128

// RefusalError is the error of every request that is refused, by a Verifier or by
// what signs. errors.Is finds the reason. Its text is for logs: it may name what
// the request has in it, never material. A client gets PublicText.
type RefusalError struct {
	// Reason is one of the errors of this package.
	Reason error
	// Detail says where, if there is more to say.
	Detail string
}

// Error is the reason with its detail.
func (r *RefusalError) Error() string {
	if r.Detail == "" {
		return r.Reason.Error()
	}
	if len(r.Detail) > maxDetail {
		return r.Reason.Error() + ": " + r.Detail[:maxDetail] + "…"
	}
	return r.Reason.Error() + ": " + r.Detail
}

// Unwrap is the reason.
func (r *RefusalError) Unwrap() error { return r.Reason }

// because is a refusal with where its reason was found.
func because(reason error, detail string) error {
	return &RefusalError{Reason: reason, Detail: detail}
}

// refuse makes a RefusalError of an error that is none yet.
func refuse(err error) *RefusalError {
	if r, ok := errors.AsType[*RefusalError](err); ok {
		return r
	}
	return &RefusalError{Reason: err}
}
