package signer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/signet-dev/signet/api/signature"
)

// headerPartialBody is how Envoy says that it handed over only the beginning of
// the body (allow_partial_message).
const headerPartialBody = "X-Envoy-Auth-Partial-Body"

// bodyBuffer is how much of a body is in memory at a time.
const bodyBuffer = 16 << 10

// buffers are lent to requests, and hold no material: bodies alone.
var buffers = sync.Pool{New: func() any { return new([bodyBuffer]byte) }}

var errPartialBody = errors.New("the gateway handed over a part of the body only")

// payload reads the body that the gateway handed over, whole, and returns what
// stands for it in the signature. A body that is not signed is read all the
// same: a gateway that is answered before it has sent everything reports an
// error. Nothing is kept in memory.
func (s *Signer) payload(w http.ResponseWriter, r *http.Request, signed bool) (string, error) {
	if signed && partial(r.Header.Values(headerPartialBody)) {
		return "", tooLarge(errPartialBody)
	}
	sum := sha256.New()
	var to io.Writer = sum
	if !signed {
		to = io.Discard
	}
	buffer := buffers.Get().(*[bodyBuffer]byte)
	defer buffers.Put(buffer)
	_, err := io.CopyBuffer(to, http.MaxBytesReader(w, r.Body, s.limits.MaxBody), buffer[:])
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return "", tooLarge(err)
	case err != nil:
		return "", cutOff("the body", err)
	case !signed:
		return signature.UnsignedPayload, nil
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// partial says that the values are anything but a plain no.
func partial(values []string) bool {
	for _, value := range values {
		if value != "false" {
			return true
		}
	}
	return false
}
