// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

const (
	// maxConnectionAge is when a client is asked to open another connection, so that
	// new replicas receive requests. It varies by a tenth, so that the connections of
	// a moment do not end together.
	maxConnectionAge = 10 * time.Minute
	// maxExpiryMargin limits how long before the end of a client certificate its
	// connections end. Short-lived certificates leave a tenth of what remains.
	maxExpiryMargin = time.Minute
	// newcomerAge is the age at which a connection ends that was opened while the
	// signer stops. Clients that connect again at once would give up.
	newcomerAge = time.Second
	// goAwayPatience is how long a client may ignore that a connection should end.
	goAwayPatience = 5 * time.Second
)

// retirement ends a connection without a failed request: its client is asked to leave,
// in the next response of HTTP/1.1 or by a frame of HTTP/2, while the connection still
// serves.
type retirement struct {
	// begun is set when the client was asked, and insists when it has not left long
	// afterwards.
	begun, insists bool
	away           *goAway
	timer          *time.Timer
	// idle is true between the requests of HTTP/1.1.
	idle bool
}

// retire asks the client to leave.
func (c *trackedConn) retire() {
	c.listener.mu.Lock()
	first, away := !c.retirement.begun, c.retirement.away
	c.retirement.begun = true
	c.listener.mu.Unlock()
	if !first {
		return
	}
	if away != nil {
		away.request()
	}
	time.AfterFunc(goAwayPatience, func() {
		c.listener.mu.Lock()
		defer c.listener.mu.Unlock()
		c.retirement.insists = true
	})
}

// scheduleRetirement is called with the listener's mutex, once the caller is known.
func (c *trackedConn) scheduleRetirement(now time.Time) {
	age := maxConnectionAge - rand.N(maxConnectionAge/10) //nolint:gosec // not a secret
	if c.listener.retiring {
		age = newcomerAge
	}
	remaining := c.verified.Load().until.Sub(now)
	if margin := min(remaining/10, maxExpiryMargin); remaining-margin < age {
		age = remaining - margin
		// What is idle until then would begin its next request without a valid
		// certificate.
		time.AfterFunc(remaining-margin/2, c.closeIdle)
	}
	c.retirement.timer = time.AfterFunc(max(0, age), c.retire)
}

// closeIdle closes the connection if no request is in progress.
func (c *trackedConn) closeIdle() {
	c.listener.mu.Lock()
	idle := c.retirement.idle
	c.listener.mu.Unlock()
	if idle {
		_ = c.Close()
	}
}

// setGoAway is called when the connection is known to be of HTTP/2.
func (c *trackedConn) setGoAway(away *goAway) {
	c.listener.mu.Lock()
	c.retirement.away = away
	late := c.retirement.begun
	c.listener.mu.Unlock()
	if late {
		away.request()
	}
}

// mustClose reports whether the response to a request has to end the connection.
func (c *trackedConn) mustClose(r *http.Request) bool {
	if c == nil {
		return false
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	return c.retirement.insists || c.retirement.begun && r.ProtoMajor == 1
}

// retire has all connections end, and the later ones soon.
func (l *trackingListener) retire() {
	l.mu.Lock()
	l.retiring = true
	conns := make([]*trackedConn, 0, len(l.admitted))
	for c := range l.admitted {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.retire()
	}
}

// trackedConnUnder returns the connection under one of TLS, or nil.
func trackedConnUnder(conn net.Conn) *trackedConn {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		tracked, _ := secured.NetConn().(*trackedConn)
		return tracked
	}
	return nil
}

// noteState is the ConnState of an HTTP server.
func noteState(conn net.Conn, state http.ConnState) {
	c := trackedConnUnder(conn)
	if c == nil {
		return
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.retirement.idle = state == http.StateIdle
}

// goAwayOf returns the connection of an HTTP server with its goAway.
func goAwayOf(conn *tls.Conn) *httpGoAwayConn {
	wrapped := &httpGoAwayConn{Conn: conn, away: &goAway{to: conn}}
	if c := trackedConnUnder(conn); c != nil {
		c.setGoAway(wrapped.away)
	}
	return wrapped
}
