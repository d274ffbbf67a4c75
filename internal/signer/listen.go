package signer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
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
	// grpcCalls is how many there are on all connections together: each may have
	// a message of Limits.MaxBody in memory.
	grpcCalls = 128
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
func listen(name, address string, secured bool, connections int) (net.Listener, error) {
	opened, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	if !secured && !onLoopback(opened.Addr()) {
		return nil, errors.Join(fmt.Errorf("listen for %s on %s: %w", name, opened.Addr(), errNotLoopback), opened.Close())
	}
	return netutil.LimitListener(opened, connections), nil
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
		server.TLSConfig = certificates.config()
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

// admit bounds what calls may cost before anybody has looked at them, since gRPC
// reads a message whole: so many at a time over all connections, and as long for
// each as a request over HTTP has to arrive.
func admit(calls int, within time.Duration) tap.ServerInHandle {
	room := make(chan struct{}, calls)
	return func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		select {
		case room <- struct{}{}:
		default:
			return nil, status.Error(codes.ResourceExhausted, "too many calls at a time")
		}
		// The context ends with the call, or when its time is up.
		ctx, cancel := context.WithTimeout(ctx, within)
		context.AfterFunc(ctx, func() {
			cancel()
			<-room
		})
		return ctx, nil
	}
}

// grpcListener serves Envoy's external authorization.
func grpcListener(name string, opened net.Listener, face *ExtAuthz, limits Limits, certificates *certificates) *listener {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(int(limits.MaxBody) + limits.MaxHeader + grpcOverhead),
		grpc.MaxHeaderListSize(uint32(limits.MaxHeader)), //nolint:gosec // validated
		grpc.MaxConcurrentStreams(grpcStreams),
		grpc.InTapHandle(admit(grpcCalls, limits.ReadTimeout)),
		grpc.ConnectionTimeout(headerTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}),
	}
	if certificates != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(certificates.config())))
	}
	server := grpc.NewServer(options...)
	envoyauth.RegisterAuthorizationServer(server, face)
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
