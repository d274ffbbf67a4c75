// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
)

// firstGrowth is how much of a body's announced length is believed before the
// bytes are there.
const firstGrowth = 64 << 10

// digestBody reads the body of a request and puts one in its place that begins
// at the start again.
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
		return nil, because(ErrBodyTooLarge, fmt.Sprintf("%d bytes are allowed", limit))
	}
	// One byte beyond the limit tells a body that is too large.
	limit = min(limit, math.MaxInt64-1)
	var content bytes.Buffer
	// ReadFrom wants room for one more read at the end.
	content.Grow(int(min(max(announced, 0), firstGrowth)) + bytes.MinRead)
	read, err := content.ReadFrom(io.LimitReader(body, limit+1))
	if read > limit {
		return nil, because(ErrBodyTooLarge, fmt.Sprintf("%d bytes are allowed", limit))
	}
	if err != nil {
		return nil, because(ErrBody, err.Error())
	}
	return content.Bytes(), nil
}

// replayed is a body that has been read already.
type replayed struct {
	*bytes.Reader
	io.Closer
}
