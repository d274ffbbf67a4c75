// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

// writeTimeout is how long a client of HTTP/2 may read nothing of what it is sent. Then
// its connection ends.
const writeTimeout = 10 * time.Second

// ServeHTTP2 lets connections of HTTP/2 depart. The rest is as net/http has it. The
// function returns the Departure of a connection, or nil if it stays.
func ServeHTTP2(server *http.Server, departureOf func(*tls.Conn) *Departure) {
	h2 := &http2.Server{IdleTimeout: server.IdleTimeout, WriteByteTimeout: writeTimeout} //nolint:staticcheck // net/http cannot wrap connections of HTTP/2
	// The error is about ciphers that the configuration does not set.
	_ = http2.ConfigureServer(server, h2) //nolint:staticcheck // see above
	server.TLSNextProto["h2"] = func(hs *http.Server, conn *tls.Conn, handler http.Handler) {
		options := &http2.ServeConnOpts{Handler: handler, BaseConfig: hs} //nolint:staticcheck // see above
		if based, ok := handler.(interface{ BaseContext() context.Context }); ok {
			options.Context = based.BaseContext()
		}
		wrapped := &goAway{Conn: conn}
		if d := departureOf(conn); d != nil {
			d.follow(wrapped)
		}
		h2.ServeConn(&http2Conn{goAway: wrapped, secured: conn}, options) //nolint:staticcheck // see above
	}
}

// http2Conn is a goAway with what net/http expects of a connection of TLS.
type http2Conn struct {
	*goAway
	secured *tls.Conn
}

// ConnectionState returns that of TLS.
func (c *http2Conn) ConnectionState() tls.ConnectionState { return c.secured.ConnectionState() }

// NetConn returns the connection under TLS.
func (c *http2Conn) NetConn() net.Conn { return c.secured.NetConn() }

// GRPCConn returns a connection of gRPC that departs. Clients of gRPC repeat what has
// not begun, and may wait for a response no longer than some tenths of a second: nothing
// is held back.
func GRPCConn(conn net.Conn, d *Departure) net.Conn {
	wrapped := &goAway{Conn: conn, immediate: true}
	d.follow(wrapped)
	return wrapped
}
