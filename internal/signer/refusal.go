package signer

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// result is how a request to a face ended, as the metric has it.
type result string

// The results.
const (
	resultOK        result = "ok"
	resultUnknown   result = "unknown_path"
	resultForbidden result = "forbidden"
	resultUnusable  result = "unusable"
	resultMalformed result = "malformed"
	resultTooLarge  result = "too_large"
	resultRefused   result = "refused"
	resultLimited   result = "limited"
	resultFailed    result = "failed"
)

var results = []result{
	resultOK, resultUnknown, resultForbidden, resultUnusable, resultMalformed,
	resultTooLarge, resultRefused, resultLimited, resultFailed,
}

// refusal is why a request does not get a 2xx. Callers are told its text alone;
// the reason is for the log.
type refusal struct {
	result result
	status int
	text   string
	reason error
}

func (r *refusal) Error() string { return r.reason.Error() }

func (r *refusal) Unwrap() error { return r.reason }

// The texts are the same whatever the slot: nothing tells whether a foreign one
// exists (invariant 7).
func unknownPath() error {
	return &refusal{resultUnknown, http.StatusNotFound, "there is nothing under this path", errPath}
}

func forbidden(reason string) error {
	return &refusal{resultForbidden, http.StatusForbidden, "the certificate is not for this namespace", errors.New(reason)}
}

func unusable(reason error) error {
	return &refusal{resultUnusable, http.StatusServiceUnavailable, "there is no key to sign with for now", reason}
}

// malformed tells what is wrong: the caller has sent it.
func malformed(format string, args ...any) error {
	reason := fmt.Errorf(format, args...)
	return &refusal{resultMalformed, http.StatusBadRequest, reason.Error(), reason}
}

// cutOff keeps to itself what the connection said: it has addresses in it.
func cutOff(what string, reason error) error {
	return &refusal{resultMalformed, http.StatusBadRequest, what + " was cut off", reason}
}

func tooLarge(reason error) error {
	return &refusal{resultTooLarge, http.StatusRequestEntityTooLarge, "the body is larger than the limit", reason}
}

func unverified(reason error) error {
	return &refusal{resultRefused, http.StatusUnauthorized, signature.PublicText, reason}
}

func limited() error {
	return &refusal{resultLimited, http.StatusTooManyRequests, "too many requests of this slot failed", errors.New("too many requests of the slot failed")}
}

// busy is for who has its share of what there is for all.
func busy(what string) error {
	return &refusal{resultLimited, http.StatusServiceUnavailable, "too many " + what + " of this caller at a time", errors.New("the caller has its share of the " + what)}
}

// failed is for what must not happen.
func failed(reason error) error {
	return &refusal{resultFailed, http.StatusInternalServerError, "the signer failed", reason}
}

// refusalOf is the refusal that an error is, or a failure.
func refusalOf(err error) *refusal {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused
	}
	errors.As(failed(err), &refused)
	return refused
}

// unsignable says who is to blame when a request could not be signed.
func unsignable(err error) error {
	for _, known := range []error{
		signature.ErrMethod, signature.ErrTarget, signature.ErrHost, signature.ErrHeaderName, signature.ErrHeaderValue, signature.ErrPayload,
	} {
		if errors.Is(err, known) {
			return malformed("%w", err)
		}
	}
	return failed(err)
}

// reasonOf is why a slot cannot be used, or empty.
func reasonOf(err error) snapshot.Reason {
	var unusable *snapshot.UnusableError
	if errors.As(err, &unusable) {
		return unusable.Reason
	}
	return ""
}
