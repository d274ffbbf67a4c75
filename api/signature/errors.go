// SPDX-License-Identifier: Apache-2.0

package signature

import "errors"

// The errors of keys.
var (
	// ErrMaterial means that material is invalid. The text names the component
	// and the rule, never a value.
	ErrMaterial = errors.New("invalid material")
	// ErrCannotSign means that a key only verifies, because it has no private key.
	ErrCannotSign = errors.New("no private key to sign with")
	// ErrNoKey means that a Transport has no KeySource.
	ErrNoKey = errors.New("no signing key available")
)

// The reasons why a request cannot be signed. A verifier refuses such a request,
// too.
var (
	// ErrMethod means that the method is not an HTTP token.
	ErrMethod = errors.New("the method is not a token")
	// ErrTarget means that the target is not a path with an optional query, or
	// that an escape in it is broken: two parties could read it as two different
	// requests.
	ErrTarget = errors.New("the target is not a well-formed path and query")
	// ErrHost means that the host is missing or contains characters that a host
	// cannot have.
	ErrHost = errors.New("the host is missing or malformed")
	// ErrHeaderName means that the name of a header to sign is not a lower-case
	// token, or that this header cannot be signed.
	ErrHeaderName = errors.New("the header cannot be signed")
	// ErrHeaderValue means that the value of a signed header contains a line break
	// or NUL.
	ErrHeaderValue = errors.New("the header value contains a line break or NUL")
	// ErrPayload means that the payload is neither a SHA-256 in lower-case
	// hexadecimal digits nor UNSIGNED-PAYLOAD.
	ErrPayload = errors.New("the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD")
	// ErrBody means that reading the body failed.
	ErrBody = errors.New("the body could not be read")
	// ErrBodyTooLarge means that the body exceeds the limit.
	ErrBodyTooLarge = errors.New("the body is larger than the limit")
)

// The reasons why a verifier refuses a request, in addition to those why a
// request cannot be signed.
var (
	// ErrNoSignature means that the signature header is missing or empty.
	ErrNoSignature = errors.New("no signature")
	// ErrDuplicateHeader means that the header of the signature, the date or the
	// payload occurs more than once.
	ErrDuplicateHeader = errors.New("duplicate header")
	// ErrMalformed means that the signature header cannot be parsed.
	ErrMalformed = errors.New("the signature header is malformed")
	// ErrAlgorithm means that the signature header names an unknown algorithm.
	ErrAlgorithm = errors.New("unknown algorithm")
	// ErrSignedHeaders means that the list of signed headers is not in the form
	// that signers write: lower case, ascending, without duplicates.
	ErrSignedHeaders = errors.New("the list of signed headers is malformed")
	// ErrUnsignedHeader means that a header that must be signed is not.
	ErrUnsignedHeader = errors.New("a required header is not signed")
	// ErrMissingHeader means that the request lacks a signed header.
	ErrMissingHeader = errors.New("a signed header is missing")
	// ErrDate means that the date does not have the form of DateLayout.
	ErrDate = errors.New("the date is malformed")
	// ErrOutsideWindow means that the date differs too much from the verifier's
	// clock.
	ErrOutsideWindow = errors.New("the date is outside the window")
	// ErrUnknownKey means that no accepted key has this algorithm and identifier.
	ErrUnknownKey = errors.New("no accepted key has this algorithm and ID")
	// ErrUnsignedPayload means that the body must be signed and is not.
	ErrUnsignedPayload = errors.New("the body is not signed")
	// ErrPayloadMismatch means that the body does not have the signed digest.
	ErrPayloadMismatch = errors.New("the body does not match the signed digest")
	// ErrMismatch means that no accepted key has made the signature.
	ErrMismatch = errors.New("the signature does not match")
)

// PublicText is the text for clients, whatever the reason of a refusal.
const PublicText = "invalid request signature"

// maxDetail is the maximum number of bytes that a refusal quotes from a request.
const maxDetail = 128

// RefusalError is the error of every request that a Verifier refuses or that
// cannot be signed. errors.Is finds the reason. Its text is for logs: it can quote
// the request, but never material. Send PublicText to clients.
type RefusalError struct {
	// Reason is one of the errors of this package.
	Reason error
	// Detail describes where the reason was found. It can be empty.
	Detail string
}

// Error returns the reason with its detail.
func (r *RefusalError) Error() string {
	if r.Detail == "" {
		return r.Reason.Error()
	}
	if len(r.Detail) > maxDetail {
		return r.Reason.Error() + ": " + r.Detail[:maxDetail] + "…"
	}
	return r.Reason.Error() + ": " + r.Detail
}

// Unwrap returns the reason.
func (r *RefusalError) Unwrap() error { return r.Reason }

// because returns a refusal with a detail.
func because(reason error, detail string) error {
	return &RefusalError{Reason: reason, Detail: detail}
}

// refuse returns the refusal in an error, or a new one with the error as its
// reason.
func refuse(err error) *RefusalError {
	if r, ok := errors.AsType[*RefusalError](err); ok {
		return r
	}
	return &RefusalError{Reason: err}
}
