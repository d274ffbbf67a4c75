// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/signet-dev/signet/internal/drain"
)

// maxExpiryMargin limits how long before the end of a client certificate its
// connections end. Short-lived certificates leave a quarter of what remains.
const maxExpiryMargin = time.Minute

// scheduleDeparture is called with the listener's mutex, once the caller is known.
func (c *trackedConn) scheduleDeparture(now time.Time) {
	age := drain.Age(c.listener.maxAge)
	if c.listener.retiring {
		age = drain.NewcomerAge
	}
	remaining := c.verified.Load().until.Sub(now)
	margin := min(remaining/4, maxExpiryMargin)
	c.departure.Schedule(min(age, remaining-margin))
	// A client that is idle until then does not know that it should leave, and would
	// begin its next request without a valid certificate.
	c.expiry = time.AfterFunc(remaining-margin/4, c.closeIdle)
}

// closeIdle closes the connection if no request is in progress.
func (c *trackedConn) closeIdle() {
	if c.idle.Load() {
		_ = c.Close()
	}
}

// mustClose reports whether the response to a request has to end the connection.
func (c *trackedConn) mustClose(r *http.Request) bool { return c != nil && c.departure.MustClose(r) }

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
		c.departure.Begin()
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

// noteState is the ConnState of an HTTP server. Connections of HTTP/2 have a type of
// their own: their clients begin no request once they were asked to leave.
func noteState(conn net.Conn, state http.ConnState) {
	if _, ok := conn.(*tls.Conn); !ok {
		return
	}
	if c := trackedConnUnder(conn); c != nil {
		c.idle.Store(state == http.StateIdle)
	}
}
