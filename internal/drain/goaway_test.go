// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recordingConn keeps what is written, but for PINGs.
type recordingConn struct {
	net.Conn
	to *bytes.Buffer
	// pinged is called for each PING.
	pinged func()
}

// Read returns as much as fits.
func (*recordingConn) Read(p []byte) (int, error) { return len(p), nil }

func (c *recordingConn) Write(p []byte) (int, error) {
	if !bytes.Equal(p, pingFrame) {
		return c.to.Write(p)
	}
	if c.pinged != nil {
		c.pinged()
	}
	return len(p), nil
}

// TestGoAwayIsBetweenFrames splits what a server writes at every place, and requests the
// frame after every write.
func TestGoAwayIsBetweenFrames(t *testing.T) {
	frame := func(length, kind, flags byte) []byte {
		return append([]byte{0, 0, length, kind, flags, 0, 0, 0, 0}, bytes.Repeat([]byte{7}, int(length))...)
	}
	server := bytes.Join([][]byte{frame(0, 4, 0), frame(5, typeHeaders, 0), frame(9, typeContinuation, flagEndHeaders), frame(1, 0, 0)}, nil)
	// The frame may follow each of the server's, but for headers that continue.
	ends := []int{9, 41, 51}
	for first := range len(server) + 1 {
		for second := first; second <= len(server); second++ {
			var written bytes.Buffer
			away := &goAway{Conn: &recordingConn{to: &written}}
			for i, part := range [][]byte{server[:first], server[first:second], server[second:]} {
				if _, err := away.Write(part); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					away.request()
				}
			}
			if err := away.flush(); err != nil {
				t.Fatal(err)
			}
			at := bytes.Index(written.Bytes(), goAwayFrame)
			rest := append(bytes.Clone(written.Bytes()[:max(at, 0)]), written.Bytes()[max(at, 0)+len(goAwayFrame):]...)
			if !slices.Contains(ends, at) || !bytes.Equal(rest, server) {
				t.Fatalf("parts end at %d and %d: the frame is at %d", first, second, at)
			}
		}
	}
}

// TestGoAwayHoldsOnlySoMuch writes more than is held back.
func TestGoAwayHoldsOnlySoMuch(t *testing.T) {
	var written bytes.Buffer
	away := &goAway{Conn: &recordingConn{to: &written}}
	settings := make([]byte, frameHeader)
	if _, err := away.Write(settings); err != nil {
		t.Fatal(err)
	}
	away.request()
	large := make([]byte, maxHeld/frameHeader*frameHeader)
	for range 2 {
		if _, err := away.Write(large); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Join([][]byte{settings, goAwayFrame, large, large}, nil)
	if !bytes.Equal(written.Bytes(), want) {
		t.Errorf("%d bytes written, want %d", written.Len(), len(want))
	}
}

func (g *goAway) isHolding() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.holding
}

// TestGoAwayWaitsForAQuietClient has the client send something in each pause, as many
// bytes as the letters stand for: nothing, the answer to one PING or to two, or more.
func TestGoAwayWaitsForAQuietClient(t *testing.T) {
	answer := len(pingFrame)
	sizes := map[rune]int{'-': 0, 'a': answer, 'b': 2 * answer, 'm': answer + 100}
	for name, c := range map[string]struct {
		pauses string
		after  int
	}{
		"quiet at once":                      {"aaaa", 2},
		"quiet later":                        {"mamaa", 5},
		"busy":                               {strings.Repeat("m", 2*maxAnswered), maxAnswered},
		"quiet between":                      {strings.Repeat("ma", maxAnswered), maxAnswered},
		"stalled again and again":            {strings.Repeat("-a", 2*maxAnswered), 2 * maxAnswered},
		"stalled most of the time":           {strings.Repeat("---m", maxPauses), maxPauses},
		"a late answer":                      {"-ba", 3},
		"as much as two answers to one PING": {"bbaa", 4},
		"stalled for some time":              {strings.Repeat("-", 10) + "maa", 13},
		"stalled between":                    {"a-aa", 4},
		"without answer to PING":             {strings.Repeat("-", 2*maxPauses), maxPauses},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var written bytes.Buffer
				conn := &recordingConn{to: &written}
				away := &goAway{Conn: conn}
				left := c.pauses
				conn.pinged = func() {
					_, _ = away.Read(make([]byte, sizes[rune(left[0])]))
					left = left[1:]
				}
				_, _ = away.Write(make([]byte, frameHeader))
				away.request()
				for i := range c.after {
					synctest.Wait()
					if !away.isHolding() {
						t.Fatalf("the frame is sent after %d pauses", i)
					}
					time.Sleep(pause)
				}
				synctest.Wait()
				if away.isHolding() {
					t.Errorf("the frame is not sent after %d pauses", c.after)
				}
			})
		})
	}
}

// TestGoAwayIsImmediateInGRPC writes while the frame is wanted.
func TestGoAwayIsImmediateInGRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		d := &Departure{}
		conn := GRPCConn(&recordingConn{to: &written}, d)
		d.Begin()
		synctest.Wait()
		settings, response := make([]byte, frameHeader), make([]byte, 2*frameHeader)
		for _, frames := range [][]byte{settings, response} {
			if _, err := conn.Write(frames); err != nil {
				t.Fatal(err)
			}
		}
		if want := bytes.Join([][]byte{settings, goAwayFrame, response}, nil); !bytes.Equal(written.Bytes(), want) {
			t.Errorf("written: %v", written.Bytes())
		}
		time.Sleep(patience)
	})
}
