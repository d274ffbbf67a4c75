// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// frameHeader is the size of the header of an HTTP/2 frame. Its first three bytes are
// the length of the rest.
const frameHeader = 9

// goAwayFrame asks a client to open no further streams on a connection. It names the
// highest possible stream, so that none that is on its way is lost: RFC 9113, section
// 6.8. The servers of Go name the last stream that they have seen, at once.
var goAwayFrame = []byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// goAway writes what an HTTP/2 server sends, and its own frame between two of the
// server's.
type goAway struct {
	to io.Writer

	mu sync.Mutex
	// header has the first bytes of a frame whose header is incomplete, and rest is
	// what is missing of a frame with a complete one.
	header []byte
	rest   int
	// begun is set after the first frame, which has to be the server's.
	begun, wanted, sent bool
}

// Write writes for the server.
func (g *goAway) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, err := g.to.Write(p)
	g.follow(p[:n])
	if err == nil {
		err = g.send()
	}
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
			g.header, g.begun = g.header[:0], true
		}
	}
}

// request has the frame sent, now or as soon as the server's frame has ended.
func (g *goAway) request() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted = true
	// An error also ends the connection for the server.
	_ = g.send()
}

func (g *goAway) send() error {
	if !g.wanted || g.sent || !g.begun || g.rest > 0 || len(g.header) > 0 {
		return nil
	}
	g.sent = true
	_, err := g.to.Write(goAwayFrame)
	return err
}

// httpGoAwayConn is a connection of net/http with a goAway.
type httpGoAwayConn struct {
	*tls.Conn
	away *goAway
}

// Write implements net.Conn.
func (c *httpGoAwayConn) Write(p []byte) (int, error) { return c.away.Write(p) }

// grpcGoAwayConn is a connection of gRPC with a goAway.
type grpcGoAwayConn struct {
	net.Conn
	away *goAway
}

// Write implements net.Conn.
func (c *grpcGoAwayConn) Write(p []byte) (int, error) { return c.away.Write(p) }
