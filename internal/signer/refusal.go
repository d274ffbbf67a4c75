// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// result is how a request to an endpoint ended, as a label value of a metric.
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

// refusalError is the error of a request that does not get a 2xx. The caller
// receives only its text; the reason is for the log.
type refusalError struct {
	result result
	status int
	text   string
	reason error
}

// Error returns the reason.
func (r *refusalError) Error() string { return r.reason.Error() }

// Unwrap returns the reason.
func (r *refusalError) Unwrap() error { return r.reason }

// The texts do not depend on the slot: they do not reveal whether an object in
// another namespace exists (invariant 7).

func notFound() error {
	return &refusalError{resultUnknown, http.StatusNotFound, "not found", errPath}
}

func forbidden(reason string) error {
	return &refusalError{resultForbidden, http.StatusForbidden, "certificate not valid for this namespace", errors.New(reason)}
}

func unusable(reason error) error {
	return &refusalError{resultUnusable, http.StatusServiceUnavailable, "no signing key available", reason}
}

// malformed sends its reason to the caller, which has sent the request.
func malformed(format string, args ...any) error {
	reason := fmt.Errorf(format, args...)
	return &refusalError{resultMalformed, http.StatusBadRequest, reason.Error(), reason}
}

// truncated does not send its reason to the caller: errors of a connection
// contain addresses.
func truncated(what string, reason error) error {
	return &refusalError{resultMalformed, http.StatusBadRequest, what + " truncated", reason}
}

func tooLarge(reason error) error {
	return &refusalError{resultTooLarge, http.StatusRequestEntityTooLarge, "body too large", reason}
}

func unverified(reason error) error {
	return &refusalError{resultRefused, http.StatusUnauthorized, signature.PublicText, reason}
}

func rateLimited() error {
	return &refusalError{resultLimited, http.StatusTooManyRequests, "too many failed requests", errors.New("too many failed requests for the slot")}
}

// quotaExceeded refuses a caller that holds its quota of connections or calls.
func quotaExceeded(what string) error {
	return &refusalError{resultLimited, http.StatusServiceUnavailable, "too many concurrent " + what, errors.New("quota of concurrent " + what + " exceeded")}
}

// internalError is for errors that are defects of the signer.
func internalError(reason error) error {
	return &refusalError{resultFailed, http.StatusInternalServerError, "internal error", reason}
}

// asRefusal returns the refusal in an error. An error without one is an internal
// error.
func asRefusal(err error) *refusalError {
	var refused *refusalError
	if errors.As(err, &refused) {
		return refused
	}
	errors.As(internalError(err), &refused)
	return refused
}

// unsignable returns the refusal for a signing error: the request is malformed,
// or the signer has failed.
func unsignable(err error) error {
	for _, known := range []error{
		signature.ErrMethod, signature.ErrTarget, signature.ErrHost, signature.ErrHeaderName, signature.ErrHeaderValue, signature.ErrPayload,
	} {
		if errors.Is(err, known) {
			return malformed("%w", err)
		}
	}
	return internalError(err)
}

// snapshotReason returns why a slot is unusable. It returns an empty string for
// any other error.
func snapshotReason(err error) snapshot.Reason {
	var unusable *snapshot.UnusableError
	if errors.As(err, &unusable) {
		return unusable.Reason
	}
	return ""
}
