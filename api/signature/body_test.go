// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestClosedBodiesAreNotRead(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("first"))
	if _, err := digestBody(r, 10); err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestBodiesDoNotShareMemory reads bodies at the same time, half of which are closed.
func TestBodiesDoNotShareMemory(t *testing.T) {
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			want := strings.Repeat("abcdefgh"[i:i+1], 1000*(i+1))
			for range 100 {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(want))
				if got, err := digestBody(r, 1<<20); err != nil || got != Digest([]byte(want)) {
					t.Errorf("digest %s, %v", got, err)
				}
				got, err := io.ReadAll(r.Body)
				if string(got) != want || err != nil {
					t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
				}
				if i%2 == 0 {
					_ = r.Body.Close()
				}
			}
		})
	}
	work.Wait()
}
