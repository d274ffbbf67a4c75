// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// frameHeader is the size of the header of an HTTP/2 frame: three bytes for the
	// length of the rest, one for the type, one for flags, four for the stream.
	frameHeader = 9
	// The types of frames that carry headers, and the flag of the last one.
	typeHeaders, typeContinuation, flagEndHeaders = 1, 9, 4

	// In Go's client of HTTP/2, a request that begins as the frame arrives fails if its
	// body cannot be read again. So the server's frames are held back first, until the
	// client is quiet: a client that is waiting for responses starts no request. It is
	// quiet if it sends nothing but answers to PINGs for quietPauses. Without the PINGs,
	// one that gets no time to run would seem so.
	pause       = 50 * time.Millisecond
	quietPauses = 2
	// maxAnswered is after how many pauses in which the client sends anything the frame
	// is sent in any case, and maxPauses after how many of all. A client that answers
	// no PING reads no responses either.
	maxAnswered = 6
	maxPauses   = 20
	// maxHeld is the size of the frames that are held back at most.
	maxHeld = 256 << 10
	// closeTimeout limits how long the end of a connection waits for its client.
	closeTimeout = time.Second
)

// goAwayFrame asks a client to open no further streams on a connection. It names the
// highest possible stream, so that none that is on its way is lost: RFC 9113, section
// 6.8. The servers of Go name the last stream that they have seen, at once.
var goAwayFrame = []byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// pingFrame is answered with a frame of the same size. The servers of Go ignore answers
// to what they have not sent.
var pingFrame = []byte{0, 0, 8, 6, 0, 0, 0, 0, 0, 's', 'i', 'g', 'n', 'e', 't', 0, 0}

// goAway is a connection of an HTTP/2 server. It sends its own frame between two of the
// server's.
type goAway struct {
	net.Conn
	// immediate is set if frames are never held back.
	immediate bool
	// received counts the bytes that the client has sent.
	received atomic.Int64

	mu sync.Mutex
	// header has the first bytes of a frame whose header is incomplete, and rest is
	// what is missing of a frame with a complete one.
	header []byte
	rest   int
	// begun is set after the first frame, which has to be the server's, and continues
	// until the last frame of a block of headers.
	begun, continues bool
	wanted, sent     bool
	// holding is true while frames are held back.
	holding bool
	held    []byte
}

// Read reads for the server.
func (g *goAway) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	g.received.Add(int64(n))
	return n, err
}

// Close closes the connection for the server, once what was held back is sent. A client
// that does not read delays it for closeTimeout. That is no deadline for writing, which
// the server sets and clears itself.
func (g *goAway) Close() error {
	forced := time.AfterFunc(closeTimeout, func() { _ = g.Conn.Close() })
	defer forced.Stop()
	return errors.Join(g.flush(), g.Conn.Close())
}

// Write writes for the server.
func (g *goAway) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holding && len(g.held)+len(p) <= maxHeld {
		g.held = append(g.held, p...)
		return len(p), nil
	}
	if err := g.release(); err != nil {
		return 0, err
	}
	n, err := g.Conn.Write(p)
	g.follow(p[:n])
	g.hold()
	return n, err
}

// follow keeps track of where frames end.
func (g *goAway) follow(p []byte) {
	for len(p) > 0 {
		if g.rest > 0 {
			taken := min(g.rest, len(p))
			p, g.rest = p[taken:], g.rest-taken
			continue
		}
		taken := min(frameHeader-len(g.header), len(p))
		g.header, p = append(g.header, p[:taken]...), p[taken:]
		if len(g.header) == frameHeader {
			g.rest = int(g.header[0])<<16 | int(g.header[1])<<8 | int(g.header[2])
			g.begun = true
			if kind := g.header[3]; kind == typeHeaders || kind == typeContinuation {
				g.continues = g.header[4]&flagEndHeaders == 0
			}
			g.header = g.header[:0]
		}
	}
}

// request has the frame sent once the client is quiet. That begins now, or as soon as
// the server's frame has ended.
func (g *goAway) request() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted = true
	g.hold()
}

// hold begins to hold frames back, if the frame is wanted and can be sent here.
func (g *goAway) hold() {
	if !g.wanted || g.sent || !g.begun || g.continues || g.rest > 0 || len(g.header) > 0 {
		return
	}
	g.sent, g.holding = true, true
	if g.immediate {
		_ = g.release() // an error also ends the connection for the server
		return
	}
	go g.waitUntilQuiet()
}

// waitUntilQuiet sends the frame once the client is quiet, or was not for too long.
func (g *goAway) waitUntilQuiet() {
	// unanswered counts the PINGs whose answers may arrive later.
	quiet, answered, unanswered := 0, 0, int64(0)
	for pauses := 0; quiet < quietPauses && answered < maxAnswered && pauses < maxPauses; pauses++ {
		before := g.received.Load()
		if !g.ping() {
			break
		}
		unanswered++
		time.Sleep(pause)
		got := g.received.Load() - before
		if got > 0 {
			answered++
		}
		switch answers := got / int64(len(pingFrame)); {
		case got == 0:
			quiet = 0
		case got%int64(len(pingFrame)) == 0 && answers <= unanswered:
			quiet, unanswered = quiet+1, unanswered-answers
		default:
			quiet, unanswered = 0, 0 // which of them are answered is unknown
		}
	}
	_ = g.flush() // an error also ends the connection for the server
}

// ping sends a PING. It returns false if there is nothing to wait for.
func (g *goAway) ping() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.holding {
		return false
	}
	_, err := g.Conn.Write(pingFrame)
	return err == nil
}

// flush sends what is held back.
func (g *goAway) flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.release()
}

// release sends the frame, and what was held back. The caller holds the mutex.
func (g *goAway) release() error {
	if !g.holding {
		return nil
	}
	g.holding = false
	frames := append(append(make([]byte, 0, len(goAwayFrame)+len(g.held)), goAwayFrame...), g.held...)
	g.follow(g.held)
	g.held = nil
	_, err := g.Conn.Write(frames)
	return err
}
