// SPDX-License-Identifier: Apache-2.0

package webhookserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/signet-dev/signet/internal/drain"
)

const (
	// The limits of controller-runtime's server.
	maxHeader     = 1 << 20
	idleTimeout   = 90 * time.Second
	headerTimeout = 32 * time.Second
	// stopTimeout limits how long requests in progress may take: an API server waits
	// for at most 30 seconds. The manager's --graceful-shutdown-timeout, 20 seconds by
	// default, ends its process earlier.
	stopTimeout = 30 * time.Second
)

// Options configure a Server.
type Options struct {
	// Address to serve on.
	Address string
	// CertDir is a folder with tls.crt and tls.key, which are reloaded. It only counts
	// without GetCertificate.
	CertDir string
	// GetCertificate returns the current serving certificate.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Server serves webhooks. It implements webhook.Server.
type Server struct {
	// DefaultServer keeps the webhooks and counts their requests. It is never started.
	*webhook.DefaultServer
	options Options
	mux     *http.ServeMux

	mu sync.Mutex
	// serving is set while requests are accepted, and draining once they should go to
	// other managers.
	serving, draining bool
	open              map[net.Conn]*drain.Departure
}

var _ webhook.Server = &Server{}

var (
	errNotServing = errors.New("webhook server is not serving yet")
	errDraining   = errors.New("webhook server is stopping")
)

// New returns a server that does not serve yet.
func New(options Options) *Server {
	mux := http.NewServeMux()
	return &Server{
		DefaultServer: &webhook.DefaultServer{Options: webhook.Options{WebhookMux: mux}},
		options:       options, mux: mux, open: map[net.Conn]*drain.Departure{},
	}
}

// WebhookMux implements webhook.Server.
func (s *Server) WebhookMux() *http.ServeMux { return s.mux }

// StartedChecker implements webhook.Server. It fails once the server drains.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.draining:
			return errDraining
		case !s.serving:
			return errNotServing
		}
		return nil
	}
}

// Start serves until the context ends, and then finishes the requests in progress.
func (s *Server) Start(ctx context.Context) error {
	config, err := s.config(ctx)
	if err != nil {
		return err
	}
	opened, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Address)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	return s.serve(ctx, tls.NewListener(opened, config))
}

func (s *Server) serve(ctx context.Context, opened net.Listener) error {
	server := &http.Server{
		Handler: http.HandlerFunc(s.handle), MaxHeaderBytes: maxHeader, IdleTimeout: idleTimeout, ReadHeaderTimeout: headerTimeout,
		// Requests outlive the context: those in progress are finished.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: s.admit, ConnState: s.forget,
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(logf.FromContext(ctx).WithName("webhooks")), slog.LevelDebug),
	}
	drain.ServeHTTP2(server, s.departureOf)
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		s.Drain()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- server.Shutdown(limited)
	}()
	s.mu.Lock()
	s.serving = true
	s.mu.Unlock()
	if err := server.Serve(opened); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve webhooks: %w", err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("finish webhook requests: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// config returns the TLS configuration. Each connection uses the current certificate.
func (s *Server) config(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: s.options.GetCertificate}
	if config.GetCertificate != nil {
		return config, nil
	}
	files, err := certwatcher.New(filepath.Join(s.options.CertDir, "tls.crt"), filepath.Join(s.options.CertDir, "tls.key"))
	if err != nil {
		return nil, fmt.Errorf("read the webhooks' certificate: %w", err)
	}
	go func() {
		if err := files.Start(ctx); err != nil {
			logf.FromContext(ctx).WithName("certs").Error(err, "Failed to watch the webhooks' certificate, keeping the previous one")
		}
	}()
	config.GetCertificate = files.GetCertificate
	return config, nil
}

// Drain makes the server unready and asks all clients to leave. It still serves.
func (s *Server) Drain() {
	s.mu.Lock()
	s.draining = true
	departures := make([]*drain.Departure, 0, len(s.open))
	for _, d := range s.open {
		departures = append(departures, d)
	}
	s.mu.Unlock()
	for _, d := range departures {
		d.Begin()
	}
}

// departureKey is the key of the connection's Departure in a request's context.
type departureKey struct{}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	if d, _ := r.Context().Value(departureKey{}).(*drain.Departure); d.MustClose(r) {
		w.Header().Set("Connection", "close")
	}
	s.mux.ServeHTTP(w, r)
}

// admit is the ConnContext of the server.
func (s *Server) admit(ctx context.Context, conn net.Conn) context.Context {
	d := &drain.Departure{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[conn] = d
	age := drain.Age(drain.MaxAge)
	if s.draining {
		age = drain.NewcomerAge
	}
	d.Schedule(age)
	return context.WithValue(ctx, departureKey{}, d)
}

// forget is the ConnState of the server.
func (s *Server) forget(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.open[conn]; d != nil {
		d.Closed()
	}
	delete(s.open, conn)
}

func (s *Server) departureOf(conn *tls.Conn) *drain.Departure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[conn]
}
