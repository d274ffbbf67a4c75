// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
)

// firstGrowth limits the memory that is allocated for the Content-Length of a body
// before its bytes have arrived.
const firstGrowth = 64 << 10

// digestBody reads the body of a request and replaces it by one that starts at the
// beginning again.
func digestBody(r *http.Request, limit int64) (string, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return EmptyPayload, nil
	}
	content, err := readBody(r.Body, r.ContentLength, limit)
	if err != nil {
		return "", err
	}
	r.Body = &replayed{Reader: bytes.NewReader(content), Closer: r.Body}
	return Digest(content), nil
}

func readBody(body io.Reader, announced, limit int64) ([]byte, error) {
	if announced > limit {
		return nil, because(ErrBodyTooLarge, fmt.Sprintf("at most %d bytes are allowed", limit))
	}
	// One byte beyond the limit shows that a body is too large.
	limit = min(limit, math.MaxInt64-1)
	var content bytes.Buffer
	// ReadFrom needs room for one more read at the end.
	content.Grow(int(min(max(announced, 0), firstGrowth)) + bytes.MinRead)
	read, err := content.ReadFrom(io.LimitReader(body, limit+1))
	if read > limit {
		return nil, because(ErrBodyTooLarge, fmt.Sprintf("at most %d bytes are allowed", limit))
	}
	if err != nil {
		return nil, because(ErrBody, err.Error())
	}
	return content.Bytes(), nil
}

// replayed is a body that has already been read.
type replayed struct {
	*bytes.Reader
	io.Closer
}
