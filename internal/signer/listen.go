// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/tap"

	"github.com/signet-dev/signet/internal/drain"
)

const (
	// idleTimeout is longer than gateways keep idle connections, so that they
	// close them first: a request sent while the signer closes would fail. Envoy
	// keeps them for an hour.
	idleTimeout = 65 * time.Minute
	// headerTimeout limits how long the headers of a request may take.
	headerTimeout = 5 * time.Second
	// writeSlack is the time to write a response, in addition to the time to read
	// the request.
	writeSlack = 10 * time.Second
	// grpcStreams limits the concurrent requests on one connection.
	grpcStreams = 256
	// grpcCalls limits the concurrent requests on all connections together, of
	// which no caller gets more than half. Each may hold a message of
	// Limits.MaxBody in memory.
	grpcCalls = 256
	// grpcWindow is the number of bytes that a call may send before it is within
	// the caller's quota.
	grpcWindow = 64 << 10
	// grpcConnectionWindow is the number of bytes that the calls of a connection
	// may have in flight.
	grpcConnectionWindow = 1 << 20
	// grpcOverhead is the size of a message besides body and headers.
	grpcOverhead = 64 << 10
	keepaliveMin = 10 * time.Second
)

// listener is an open listener with the server for it.
type listener struct {
	net.Listener
	// plain is true for listeners that never have TLS: metrics and probes.
	plain bool
	name  string
	// serve returns when the listener is closed. retire asks all clients to leave,
	// while they are still served. stop closes the listener and finishes requests in
	// progress until the context ends.
	serve  func(net.Listener) error
	retire func()
	stop   func(context.Context) error
}

// listen opens an address. Without TLS it has to be a loopback address. That is
// checked on the open listener, since a name can resolve to any address. The
// context only limits opening.
func listen(ctx context.Context, name, address string, secured bool) (net.Listener, error) {
	opened, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	if !secured && !isLoopback(opened.Addr()) {
		return nil, errors.Join(fmt.Errorf("listen for %s on %s: %w", name, opened.Addr(), ErrNotLoopback), opened.Close())
	}
	return opened, nil
}

// limitConnections limits the concurrent connections of a listener. With TLS each
// caller has a quota. Without TLS callers cannot be distinguished, and further
// connections wait.
func (s *Signer) limitConnections(at endpoint, opened net.Listener, secured bool) net.Listener {
	if !secured {
		return netutil.LimitListener(opened, s.limits.MaxConnections)
	}
	return newTrackingListener(opened, s.limits.MaxConnections, func(rejected caller) error {
		return s.finish(at, &call{caller: rejected}, quotaExceeded("connections"))
	})
}

// httpServer returns a server for an HTTP endpoint. Without certificates it
// serves plain text.
func httpServer(handler http.Handler, limits Limits, certificates *certificates, logger logr.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       limits.ReadTimeout,
		WriteTimeout:      limits.ReadTimeout + writeSlack,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    limits.MaxHeader,
		ErrorLog:          slog.NewLogLogger(logr.ToSlogHandler(logger), slog.LevelDebug),
		// The general handler answers OPTIONS * with 200, without a signature.
		DisableGeneralOptionsHandler: true,
	}
	if certificates != nil {
		server.TLSConfig, server.ConnContext, server.ConnState = certificates.config(), withTrackedConn, noteState
		drain.ServeHTTP2(server, func(conn *tls.Conn) *drain.Departure {
			if c := trackedConnUnder(conn); c != nil {
				return &c.departure
			}
			return nil
		})
	}
	return server
}

func httpListener(name string, opened net.Listener, server *http.Server) *listener {
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	leaving := &atomic.Bool{}
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leaving.Load() && r.ProtoMajor == 1 || trackedConnOf(r.Context()).mustClose(r) {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
	return &listener{
		Listener: opened, name: name,
		retire: func() {
			leaving.Store(true)
			retireConnections(opened)
		},
		serve: func(l net.Listener) error {
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		stop: func(ctx context.Context) error {
			if err := server.Shutdown(ctx); err != nil {
				return errors.Join(err, server.Close())
			}
			return nil
		},
	}
}

// retireConnections retires the connections of a listener that tracks them.
func retireConnections(opened net.Listener) {
	if tracking, ok := opened.(*trackingListener); ok {
		tracking.retire()
	}
}

// withDeadline gives a gRPC call as much time to arrive as an HTTP request has.
func withDeadline(timeout time.Duration) tap.ServerInHandle {
	return func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		// The context ends with the call or at its deadline, whichever is first.
		ctx, cancel := context.WithTimeout(ctx, timeout)
		context.AfterFunc(ctx, cancel)
		return ctx, nil
	}
}

// connCredentials adds the tracked connection to the peer of a call.
type connCredentials struct {
	credentials.TransportCredentials
}

// peerAuthInfo is the TLS state of a tracked connection.
type peerAuthInfo struct {
	credentials.AuthInfo
	conn *trackedConn
}

// ServerHandshake implements credentials.TransportCredentials.
func (c connCredentials) ServerHandshake(opened net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, ok := opened.(*trackedConn)
	if !ok {
		return nil, nil, errUntracked
	}
	secured, info, err := c.TransportCredentials.ServerHandshake(opened)
	if err != nil {
		return nil, nil, err
	}
	return drain.GRPCConn(secured, &conn.departure), peerAuthInfo{info, conn}, nil
}

// Clone implements credentials.TransportCredentials.
func (c connCredentials) Clone() credentials.TransportCredentials {
	return connCredentials{c.TransportCredentials.Clone()}
}

// grpcServer returns a server without services. Without certificates it serves plain text.
func grpcServer(limits Limits, certificates *certificates) *grpc.Server {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(int(limits.MaxBody) + limits.MaxHeader + grpcOverhead),
		grpc.MaxHeaderListSize(uint32(limits.MaxHeader)), //nolint:gosec // Limits documents the range
		grpc.MaxConcurrentStreams(grpcStreams),
		grpc.StaticStreamWindowSize(grpcWindow), grpc.StaticConnWindowSize(grpcConnectionWindow),
		grpc.InTapHandle(withDeadline(limits.ReadTimeout)),
		grpc.ConnectionTimeout(headerTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: idleTimeout, MaxConnectionAge: drain.MaxAge, MaxConnectionAgeGrace: limits.ReadTimeout + writeSlack,
		}),
	}
	if certificates != nil {
		options = append(options, grpc.Creds(connCredentials{credentials.NewTLS(certificates.config())}))
	}
	return grpc.NewServer(options...)
}

func grpcListener(name string, opened net.Listener, server *grpc.Server) *listener {
	return &listener{
		Listener: opened, name: name, serve: server.Serve, retire: func() { retireConnections(opened) },
		stop: func(ctx context.Context) error {
			done := make(chan struct{})
			go func() { server.GracefulStop(); close(done) }()
			select {
			case <-done:
				return nil
			case <-ctx.Done():
				server.Stop()
				return ctx.Err()
			}
		},
	}
}
