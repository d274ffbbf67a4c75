// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"container/list"
	"net"
	"sync"
)

// replacingListener limits the number of connections: the newest replaces the oldest. It
// is for requests that take milliseconds, where the oldest connection is one of a client
// that sends nothing.
type replacingListener struct {
	net.Listener
	limit int

	mu sync.Mutex
	// open has the connections, oldest first.
	open *list.List
}

func newReplacingListener(opened net.Listener, limit int) *replacingListener {
	return &replacingListener{Listener: opened, limit: limit, open: list.New()}
}

// Accept waits for the next connection.
func (l *replacingListener) Accept() (net.Conn, error) {
	opened, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &replacedConn{Conn: opened, listener: l}
	var oldest *replacedConn
	l.mu.Lock()
	c.place = l.open.PushBack(c)
	if l.open.Len() > l.limit {
		oldest = l.open.Front().Value.(*replacedConn)
	}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	return c, nil
}

// replacedConn is a connection that a later one can replace.
type replacedConn struct {
	net.Conn
	listener *replacingListener
	// place is the element in the listener's list, whose removal can be repeated.
	place *list.Element
}

// Close implements net.Conn.
func (c *replacedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.open.Remove(c.place)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
