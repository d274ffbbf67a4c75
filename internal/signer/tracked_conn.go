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
)

const (
	// maxStrangers is how many connections a face has that have not shown a
	// certificate yet. The oldest makes room for the newest: a handshake takes
	// milliseconds, and who never ends one keeps nobody waiting.
	maxStrangers = 512
	// lastAnswer is how long the answers that end a connection may take.
	lastAnswer = time.Second
)

var (
	errTooLate = errors.New("the connection was given up before its handshake had ended")
	errNoDoor  = errors.New("the connection came in by no door")
)

// trackingListener lets connections in to a face with TLS. Who calls is known only after the
// handshake: from then on a connection counts towards its caller's share.
type trackingListener struct {
	net.Listener
	places *fairLimiter
	// full is told of connections that are turned away.
	full func(who caller) error

	mu sync.Mutex
	// unauthenticated are the connections without a certificate yet, oldest first.
	unauthenticated *list.List
}

func newTrackingListener(opened net.Listener, connections int, full func(caller) error) *trackingListener {
	return &trackingListener{Listener: opened, places: newFairLimiter(connections), full: full, unauthenticated: list.New()}
}

// Accept waits for the next connection.
func (d *trackingListener) Accept() (net.Conn, error) {
	opened, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &trackedConn{Conn: opened, door: d}
	var oldest *trackedConn
	d.mu.Lock()
	c.stranger = d.unauthenticated.PushBack(c)
	if d.unauthenticated.Len() > maxStrangers {
		oldest = d.unauthenticated.Front().Value.(*trackedConn)
	}
	d.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	return c, nil
}

// trackedConn is one that came in by a door.
type trackedConn struct {
	net.Conn
	door *trackingListener
	// stranger is its place among the strangers; nil once it has one of its
	// caller's. It and closed are guarded by the door.
	stranger *list.Element
	closed   bool

	// These are known when the handshake has ended.
	caller        caller
	intermediates *x509.CertPool
	certificates  *certificates
	proof         atomic.Pointer[verifiedPeer]
	ending        sync.Once
}

// verifiedPeer is that a certificate leads to the authorities, until then.
type verifiedPeer struct {
	authorities *x509.CertPool
	until       time.Time
}

// shown takes note of the certificate that a handshake has ended with. The error
// is why the connection cannot stay.
func (c *trackedConn) shown(state tls.ConnectionState, by *certificates, authorities *x509.CertPool) error {
	if len(state.VerifiedChains) == 0 {
		return errors.New(noCertificate)
	}
	c.caller, c.certificates, c.intermediates = newCaller(state.PeerCertificates[0], c), by, x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		c.intermediates.AddCert(certificate)
	}
	// The chains of a resumed session are those of its beginning.
	if !state.DidResume {
		c.proof.Store(&verifiedPeer{authorities: authorities, until: lastEnd(state.VerifiedChains)})
	} else if err := c.prove(authorities, time.Now()); err != nil {
		return err
	}
	return c.admit()
}

// admit takes one of the caller's places.
func (c *trackedConn) admit() error {
	c.door.mu.Lock()
	late := c.closed
	settled := !late && c.door.places.take(c.caller.who)
	if settled {
		c.door.unauthenticated.Remove(c.stranger)
		c.stranger = nil
	}
	c.door.mu.Unlock()
	switch {
	case late:
		return errTooLate
	case !settled:
		return c.door.full(c.caller)
	}
	return nil
}

// Close gives the connection's place back.
func (c *trackedConn) Close() error {
	c.door.mu.Lock()
	switch {
	case c.closed:
	case c.stranger != nil:
		c.door.unauthenticated.Remove(c.stranger)
	default:
		c.door.places.give(c.caller.who)
	}
	c.closed = true
	c.door.mu.Unlock()
	return c.Conn.Close()
}

// checkPeer says whether the caller's certificate still leads to the authorities. It
// is asked with every request, and looks only when they have changed or a
// certificate has ended. If it does not, the connection ends.
func (c *trackedConn) checkPeer(now time.Time) error {
	authorities := c.certificates.current.Load().ClientCAs
	if held := c.proof.Load(); held.authorities == authorities && !now.After(held.until) {
		return nil
	}
	if err := c.prove(authorities, now); err != nil {
		// Not at once: what is broken off instead of answered, gateways may be
		// told to let pass.
		c.ending.Do(func() { time.AfterFunc(lastAnswer, func() { _ = c.Close() }) })
		return forbidden("the client's certificate leads to none of the authorities any more: " + err.Error())
	}
	return nil
}

func (c *trackedConn) prove(authorities *x509.CertPool, now time.Time) error {
	chains, err := c.caller.certificate.Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: c.intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	c.proof.Store(&verifiedPeer{authorities: authorities, until: lastEnd(chains)})
	return nil
}

// lastEnd is when the last of the chains ends. A chain ends with the first of
// its certificates.
func lastEnd(chains [][]*x509.Certificate) time.Time {
	var last time.Time
	for _, chain := range chains {
		ends := chain[0].NotAfter
		for _, certificate := range chain {
			if certificate.NotAfter.Before(ends) {
				ends = certificate.NotAfter
			}
		}
		if ends.After(last) {
			last = ends
		}
	}
	return last
}

// connectionKey is under what a request's context has its connection.
type connectionKey struct{}

// inContext is for a server over HTTP.
func inContext(ctx context.Context, by net.Conn) context.Context {
	if secured, ok := by.(*tls.Conn); ok {
		return context.WithValue(ctx, connectionKey{}, secured.NetConn())
	}
	return ctx
}

func trackedConnOf(ctx context.Context) *trackedConn {
	over, _ := ctx.Value(connectionKey{}).(*trackedConn)
	return over
}
