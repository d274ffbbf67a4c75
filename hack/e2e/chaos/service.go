// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// service passes connections of the API server to the webhooks of the managers, one
// after the other, as a Service does. A manager that does not listen is skipped; one
// that is stopped is not, because its kernel accepts.
type service struct {
	listener net.Listener
	backends []string
	next     int
}

func newService(ctx context.Context, address string) (*service, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	return &service{listener: listener}, nil
}

// serve passes connections on until the listener is closed.
func (s *service) serve(ctx context.Context) {
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.next++
		go forward(ctx, connection, s.backends, s.next)
	}
}

func forward(ctx context.Context, connection net.Conn, backends []string, first int) {
	defer func() { _ = connection.Close() }()
	dialer := net.Dialer{Timeout: time.Second}
	for i := range backends {
		backend, err := dialer.DialContext(ctx, "tcp", backends[(first+i)%len(backends)])
		if err != nil {
			continue
		}
		join(connection, backend)
		return
	}
}

// join copies in both directions until one ends.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = a.Close()
			_ = b.Close()
		})
	}
	both.Wait()
}
