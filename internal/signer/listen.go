package signer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/tap"
)

const (
	// idleTimeout is longer than gateways keep idle connections, so that they
	// are the ones to close: a request that crosses our closing would fail.
	idleTimeout = 10 * time.Minute
	// headerTimeout is how long the headers of a request may take.
	headerTimeout = 5 * time.Second
	// writeSlack is what writing an answer may take beyond reading the request.
	writeSlack = 10 * time.Second
	// grpcStreams is how many requests a gateway has under way on a connection.
	grpcStreams = 256
	// grpcCalls is how many there are on all connections together, of which
	// nobody gets more than half: each may have a message of Limits.MaxBody in
	// memory.
	grpcCalls = 256
	// grpcWindow is what a call may send before it has a place.
	grpcWindow = 64 << 10
	// grpcConnectionWindow is what the calls of a connection may have on their
	// way.
	grpcConnectionWindow = 1 << 20
	// grpcOverhead is what a message may have beside body and headers.
	grpcOverhead = 64 << 10
	keepaliveMin = 10 * time.Second
)

// listener is a face that is being served.
type listener struct {
	net.Listener
	// plain says that it never has TLS: metrics and probes.
	plain bool
	name  string
	// serve returns when the listener is closed, stop ends it: requests under
	// way are finished while the context lasts.
	serve func(net.Listener) error
	stop  func(context.Context) error
}

// listen opens an address. Without TLS it has to be one that only this machine
// reaches, which is asked of what was opened, since a name may be any address.
func listen(name, address string, secured bool) (net.Listener, error) {
	opened, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	if !secured && !onLoopback(opened.Addr()) {
		return nil, errors.Join(fmt.Errorf("listen for %s on %s: %w", name, opened.Addr(), errNotLoopback), opened.Close())
	}
	return opened, nil
}

// bounded lets in so many connections at a time as the limits say. Without TLS
// nobody is told from anybody else, and more have to wait; with it each caller
// has its share.
func (s *Signer) bounded(at endpoint, opened net.Listener, secured bool) net.Listener {
	if !secured {
		return netutil.LimitListener(opened, s.limits.MaxConnections)
	}
	return newTrackingListener(opened, s.limits.MaxConnections, func(who caller) error {
		return s.finish(at, &call{caller: who}, busy("connections"))
	})
}

// httpServer serves a face over HTTP.
func httpServer(handler http.Handler, limits Limits, certificates *certificates, logger logr.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       limits.ReadTimeout,
		WriteTimeout:      limits.ReadTimeout + writeSlack,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    limits.MaxHeader,
		ErrorLog:          slog.NewLogLogger(logr.ToSlogHandler(logger), slog.LevelDebug),
		// It answers OPTIONS * with 200 by itself, without a signature.
		DisableGeneralOptionsHandler: true,
	}
	if certificates != nil {
		server.TLSConfig, server.ConnContext = certificates.config(), inContext
	}
	return server
}

func httpListener(name string, opened net.Listener, server *http.Server) *listener {
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	return &listener{
		Listener: opened, name: name,
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

// withDeadline gives a call as long as a request over HTTP has to arrive.
func withDeadline(within time.Duration) tap.ServerInHandle {
	return func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		// The context ends with the call, or when its time is up.
		ctx, cancel := context.WithTimeout(ctx, within)
		context.AfterFunc(ctx, cancel)
		return ctx, nil
	}
}

// connCredentials are credentials that tell a call by which connection it came.
type connCredentials struct {
	credentials.TransportCredentials
}

// peerAuthInfo is TLS on a connection that came in by a door.
type peerAuthInfo struct {
	credentials.AuthInfo
	connection *trackedConn
}

// ServerHandshake is that of TLS.
func (a connCredentials) ServerHandshake(opened net.Conn) (net.Conn, credentials.AuthInfo, error) {
	over, ok := opened.(*trackedConn)
	if !ok {
		return nil, nil, errNoDoor
	}
	secured, info, err := a.TransportCredentials.ServerHandshake(opened)
	if err != nil {
		return nil, nil, err
	}
	return secured, peerAuthInfo{info, over}, nil
}

// Clone is for gRPC.
func (a connCredentials) Clone() credentials.TransportCredentials {
	return connCredentials{a.TransportCredentials.Clone()}
}

// grpcListener serves Envoy's external authorization.
func grpcListener(name string, opened net.Listener, face *ExtAuthz, limits Limits, certificates *certificates) *listener {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(int(limits.MaxBody) + limits.MaxHeader + grpcOverhead),
		grpc.MaxHeaderListSize(uint32(limits.MaxHeader)), //nolint:gosec // validated
		grpc.MaxConcurrentStreams(grpcStreams),
		grpc.StaticStreamWindowSize(grpcWindow), grpc.StaticConnWindowSize(grpcConnectionWindow),
		grpc.InTapHandle(withDeadline(limits.ReadTimeout)),
		grpc.ConnectionTimeout(headerTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}),
	}
	if certificates != nil {
		options = append(options, grpc.Creds(connCredentials{credentials.NewTLS(certificates.config())}))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&extAuthzService, face)
	return &listener{
		Listener: opened, name: name, serve: server.Serve,
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
