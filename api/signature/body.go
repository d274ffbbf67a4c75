// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sync"
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
	memory := bodies.Get().(*[]byte)
	content, err := readBody((*memory)[:0], r.Body, r.ContentLength, limit)
	*memory = content
	body := &replayed{content: memory, original: r.Body}
	if err != nil {
		body.release()
		return "", err
	}
	r.Body = body
	return Digest(content), nil
}

// readBody appends the body to the buffer.
func readBody(to []byte, body io.Reader, announced, limit int64) ([]byte, error) {
	if announced > limit {
		return to, because(ErrBodyTooLarge, fmt.Sprintf("at most %d bytes are allowed", limit))
	}
	// One byte beyond the limit shows that a body is too large.
	limit = min(limit, math.MaxInt64-1)
	content, err := appendAll(slices.Grow(to, int(min(max(announced, 0), firstGrowth))), io.LimitReader(body, limit+1))
	if int64(len(content)) > limit {
		return content, because(ErrBodyTooLarge, fmt.Sprintf("at most %d bytes are allowed", limit))
	}
	if err != nil {
		return content, because(ErrBody, err.Error())
	}
	return content, nil
}

// appendAll is io.ReadAll into memory that is not extended if it just suffices.
func appendAll(content []byte, from io.Reader) ([]byte, error) {
	var probe [64]byte
	for {
		var n int
		var err error
		if free := content[len(content):cap(content)]; len(free) > 0 {
			n, err = from.Read(free)
			content = content[:len(content)+n]
		} else {
			n, err = from.Read(probe[:])
			content = append(content, probe[:n]...)
		}
		if err == io.EOF {
			return content, nil
		}
		if err != nil {
			return content, err
		}
	}
}

// maxKeptBody is the maximum size of the buffers that are kept for the next body.
const maxKeptBody = 128 << 10

var bodies = sync.Pool{New: func() any { return &[]byte{} }}

// replayed is a body that has already been read. Close releases its memory, at any time:
// a client may still read while it closes.
type replayed struct {
	original io.Closer

	mu sync.Mutex
	// content is nil once the body is closed.
	content *[]byte
	read    int
}

// Read implements io.Reader.
func (b *replayed) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.content == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	n := copy(p, (*b.content)[b.read:])
	b.read += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (b *replayed) Close() error {
	b.release()
	return b.original.Close()
}

func (b *replayed) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.content != nil && cap(*b.content) <= maxKeptBody {
		bodies.Put(b.content)
	}
	b.content = nil
}
