// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"sync"

	"github.com/signet-dev/signet/api/signature"
)

// headerPartialBody is the header with which Envoy reports that it passed only
// the beginning of the body (allow_partial_message).
const headerPartialBody = "X-Envoy-Auth-Partial-Body"

// bodyBuffer is the number of bytes of a body that are in memory at a time.
const bodyBuffer = 16 << 10

// buffers holds bodies only, never material.
var buffers = sync.Pool{New: func() any { return new([bodyBuffer]byte) }}

var errPartialBody = errors.New("the gateway passed only a part of the body")

// readPayload reads the whole body that the gateway passed and returns the
// payload to sign. It also reads a body that is not signed: a gateway that gets
// a response before it has sent everything reports an error.
func (s *Signer) readPayload(w http.ResponseWriter, r *http.Request, signed bool) (string, error) {
	if signed && isPartial(r.Header.Values(headerPartialBody)) {
		return "", tooLarge(errPartialBody)
	}
	if r.Body == http.NoBody {
		return emptyPayload(signed), nil
	}
	var sum hash.Hash
	to := io.Discard
	if signed {
		sum = sha256.New()
		to = sum
	}
	buffer := buffers.Get().(*[bodyBuffer]byte)
	defer buffers.Put(buffer)
	_, err := io.CopyBuffer(to, http.MaxBytesReader(w, r.Body, s.limits.MaxBody), buffer[:])
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return "", tooLarge(err)
	case err != nil:
		return "", truncated("body", err)
	case !signed:
		return signature.UnsignedPayload, nil
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// emptyPayload returns the payload of a request without a body.
func emptyPayload(signed bool) string {
	if signed {
		return signature.EmptyPayload
	}
	return signature.UnsignedPayload
}

// isPartial reports whether any of the values is not "false".
func isPartial(values []string) bool {
	for _, value := range values {
		if value != "false" {
			return true
		}
	}
	return false
}
