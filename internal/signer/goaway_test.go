// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"bytes"
	"testing"
)

// TestGoAwayIsBetweenFrames splits what a server writes at every place, and requests the
// frame after every write.
func TestGoAwayIsBetweenFrames(t *testing.T) {
	frame := func(length byte) []byte {
		return append([]byte{0, 0, length, 4, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{7}, int(length))...)
	}
	server := bytes.Join([][]byte{frame(0), frame(5), frame(9)}, nil)
	// The frame may follow each of the server's.
	ends := []int{9, 23, 41}
	for first := range len(server) + 1 {
		for second := first; second <= len(server); second++ {
			var written bytes.Buffer
			away := &goAway{to: &written}
			for i, part := range [][]byte{server[:first], server[first:second], server[second:]} {
				if _, err := away.Write(part); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					away.request()
				}
			}
			at := bytes.Index(written.Bytes(), goAwayFrame)
			rest := append(bytes.Clone(written.Bytes()[:max(at, 0)]), written.Bytes()[max(at, 0)+len(goAwayFrame):]...)
			if at != ends[0] && at != ends[1] && at != ends[2] || !bytes.Equal(rest, server) {
				t.Fatalf("parts end at %d and %d: the frame is at %d", first, second, at)
			}
		}
	}
}
