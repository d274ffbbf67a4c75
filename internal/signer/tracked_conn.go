// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-dev/signet/internal/drain"
)

const (
	// maxUnauthenticated is the number of connections to an endpoint that have
	// not presented a certificate yet. The newest replaces the oldest: a handshake
	// takes milliseconds, so a client that never completes one delays no other.
	maxUnauthenticated = 512
	// closeDelay is the time to send the last responses on a connection before it
	// is closed.
	closeDelay = time.Second
)

var (
	errClosed    = errors.New("connection closed before its handshake completed")
	errUntracked = errors.New("connection not accepted by a tracking listener")
)

// trackingListener accepts the connections of an endpoint with TLS. The caller is
// known only after the handshake: from then on a connection counts toward the
// caller's quota.
type trackingListener struct {
	net.Listener
	quota *fairLimiter
	// reject returns the error for a connection of a caller whose quota is used.
	reject func(caller) error

	mu sync.Mutex
	// unauthenticated lists the connections without a certificate, oldest first.
	unauthenticated *list.List
	// admitted has the others. It is for retire, which sets retiring.
	admitted map[*trackedConn]struct{}
	retiring bool
	// maxAge is the age at which connections end.
	maxAge time.Duration
}

func newTrackingListener(opened net.Listener, connections int, reject func(caller) error) *trackingListener {
	return &trackingListener{
		Listener: opened, quota: newFairLimiter(connections), reject: reject,
		unauthenticated: list.New(), admitted: map[*trackedConn]struct{}{}, maxAge: drain.MaxAge,
	}
}

// Accept waits for the next connection.
func (l *trackingListener) Accept() (net.Conn, error) {
	opened, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &trackedConn{Conn: opened, listener: l}
	var oldest *trackedConn
	l.mu.Lock()
	c.pending = l.unauthenticated.PushBack(c)
	if l.unauthenticated.Len() > maxUnauthenticated {
		oldest = l.unauthenticated.Front().Value.(*trackedConn)
	}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	return c, nil
}

// trackedConn is a connection that a tracking listener has accepted.
type trackedConn struct {
	net.Conn
	listener *trackingListener
	// pending is the element in the listener's unauthenticated connections. It is
	// nil once the connection counts toward its caller's quota. The listener's
	// mutex guards pending, closed and expiry.
	pending   *list.Element
	closed    bool
	departure drain.Departure
	// expiry fires shortly before the client certificate ends.
	expiry *time.Timer
	// idle is true between the requests of HTTP/1.1.
	idle atomic.Bool

	// The handshake sets these.
	caller        caller
	intermediates *x509.CertPool
	certificates  *certificates
	verified      atomic.Pointer[verifiedPeer]
	closing       sync.Once
}

// verifiedPeer records that a client certificate was verified against the
// authorities, and until when the chain is valid.
type verifiedPeer struct {
	authorities *x509.CertPool
	until       time.Time
}

// acceptPeer records the client certificate of a completed handshake. It returns
// an error if the connection must be closed.
func (c *trackedConn) acceptPeer(state tls.ConnectionState, current *certificates, authorities *x509.CertPool) error {
	if len(state.VerifiedChains) == 0 {
		return errors.New(reasonNoCertificate)
	}
	c.caller, c.certificates, c.intermediates = newCaller(state.PeerCertificates[0], c), current, x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		c.intermediates.AddCert(certificate)
	}
	// A resumed session has the chains from when it began.
	if !state.DidResume {
		c.verified.Store(&verifiedPeer{authorities: authorities, until: lastExpiry(state.VerifiedChains)})
	} else if err := c.verifyPeer(authorities, current.now()); err != nil {
		return err
	}
	return c.admit(current.now())
}

// admit counts the connection toward the caller's quota.
func (c *trackedConn) admit(now time.Time) error {
	c.listener.mu.Lock()
	closed := c.closed
	admitted := !closed && c.listener.quota.acquire(c.caller.identity)
	if admitted {
		c.listener.unauthenticated.Remove(c.pending)
		c.pending = nil
		c.listener.admitted[c] = struct{}{}
		c.scheduleDeparture(now)
	}
	c.listener.mu.Unlock()
	switch {
	case closed:
		return errClosed
	case !admitted:
		return c.listener.reject(c.caller)
	}
	return nil
}

// Close closes the connection and releases its part of the quota.
func (c *trackedConn) Close() error {
	c.listener.mu.Lock()
	switch {
	case c.closed:
	case c.pending != nil:
		c.listener.unauthenticated.Remove(c.pending)
	default:
		c.listener.quota.release(c.caller.identity)
		delete(c.listener.admitted, c)
		c.departure.Closed()
		if c.expiry != nil {
			c.expiry.Stop()
		}
	}
	c.closed = true
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// checkPeer returns an error unless the client certificate is still valid and
// issued by one of the current authorities. It is called for every request, and
// verifies again only if the authorities have changed or a certificate has
// expired. After an error the connection is closed.
func (c *trackedConn) checkPeer(now time.Time) error {
	authorities := c.certificates.current.Load().ClientCAs
	if last := c.verified.Load(); last.authorities == authorities && !now.After(last.until) {
		return nil
	}
	if err := c.verifyPeer(authorities, now); err != nil {
		// Close it later: gateways can be configured to forward a request if the
		// connection breaks before the response.
		c.closing.Do(func() { time.AfterFunc(closeDelay, func() { _ = c.Close() }) })
		return forbidden("client certificate no longer valid: " + err.Error())
	}
	return nil
}

func (c *trackedConn) verifyPeer(authorities *x509.CertPool, now time.Time) error {
	chains, err := c.caller.certificate.Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: c.intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	c.verified.Store(&verifiedPeer{authorities: authorities, until: lastExpiry(chains)})
	return nil
}

// lastExpiry returns when the last of the chains expires. A chain expires with
// the first of its certificates.
func lastExpiry(chains [][]*x509.Certificate) time.Time {
	var last time.Time
	for _, chain := range chains {
		expiry := chain[0].NotAfter
		for _, certificate := range chain {
			if certificate.NotAfter.Before(expiry) {
				expiry = certificate.NotAfter
			}
		}
		if expiry.After(last) {
			last = expiry
		}
	}
	return last
}

// connKey is the key of the connection in a request's context.
type connKey struct{}

// withTrackedConn is the ConnContext of an HTTP server.
func withTrackedConn(ctx context.Context, conn net.Conn) context.Context {
	if c := trackedConnUnder(conn); c != nil {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

func trackedConnOf(ctx context.Context) *trackedConn {
	conn, _ := ctx.Value(connKey{}).(*trackedConn)
	return conn
}
