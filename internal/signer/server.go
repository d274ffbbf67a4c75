// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/signet-dev/signet/internal/namespaces"
	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// Server is a signer with open listeners.
type Server struct {
	config       Config
	logger       logr.Logger
	watcher      *watcher
	certificates *certificates
	listeners    []*listener
	health       *health
}

// NewServer creates a signer and opens its listeners, which Run serves. The
// configuration must be valid, and now is the clock.
func NewServer(ctx context.Context, cluster *rest.Config, config Config, now func() time.Time, logger logr.Logger) (*Server, error) {
	store, registry := snapshot.New(), prometheus.NewRegistry()
	metrics := NewMetrics(registry, store, now)
	heard := newContacts(now)
	registerContacts(registry, heard)
	cluster = rest.CopyConfig(cluster)
	cluster.Wrap(heard.wrap)
	s := &Server{config: config, logger: logger, health: &health{store: store, contacts: heard, maxDataAge: config.MaxDataAge}}
	objects, err := newCache(cluster, config.Namespaces, logger)
	if err != nil {
		return nil, fmt.Errorf("create cache: %w", err)
	}
	served, _ := objects.(*namespaces.Cache) // nil stands for all namespaces
	store.Serve(config.Namespaces)
	served.Subscribe(store.SetServed)
	served.Subscribe(func(namespace string, served bool) {
		if !served {
			heard.leave(namespace)
		}
	})
	registry.MustRegister(served.Collector("signet_signer_namespace_served"))
	s.watcher = &watcher{store: store, cache: objects, metrics: metrics, logger: logger, now: now}
	if config.TLS.Enabled() {
		if s.certificates, err = newCertificates(config.TLS, metrics, now, logger); err != nil {
			return nil, err
		}
	}
	if err := s.open(ctx, New(store, config.Limits, now, metrics, logger), registry); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// open opens every listener that is not disabled.
func (s *Server) open(ctx context.Context, signer *Signer, registry *prometheus.Registry) error {
	secured, limits := s.certificates != nil, s.config.Limits
	for at, address := range map[endpoint]string{
		endpointSign: s.config.SignBindAddress, endpointEnvoy: s.config.EnvoyBindAddress,
		endpointExtAuthz: s.config.ExtAuthzBindAddress, endpointVerify: s.config.VerifyBindAddress,
	} {
		if address == Disabled {
			continue
		}
		opened, err := listen(ctx, string(at), address, secured)
		if err != nil {
			return err
		}
		opened = signer.limitConnections(at, opened, secured)
		if at == endpointExtAuthz {
			s.listeners = append(s.listeners, grpcListener(string(at), opened, signer.ExtAuthz(!secured).register(grpcServer(limits, s.certificates))))
			continue
		}
		var handler http.Handler
		switch at {
		case endpointEnvoy:
			handler = signer.EnvoyHandler(!secured)
		case endpointVerify:
			handler = signer.VerifyHandler(!secured)
		default:
			handler = signer.SignHandler(!secured)
		}
		s.listeners = append(s.listeners, httpListener(string(at), opened, httpServer(handler, limits, s.certificates, s.logger)))
	}
	return s.health.open(ctx, s.config, registry, s.logger)
}

func (s *Server) close() {
	for _, l := range append(s.listeners, s.health.listeners...) {
		_ = l.Close()
	}
}

// Address returns the address of a listener: sign, envoy, ext_authz, verify,
// metrics or probes. It returns nil if the listener is disabled.
func (s *Server) Address(name string) net.Addr {
	for _, l := range append(s.listeners, s.health.listeners...) {
		if l.name == name {
			return l.Addr()
		}
	}
	return nil
}

// Run serves until the context ends. It then becomes unready, continues to serve
// until gateways have noticed, and finishes the requests in progress.
func (s *Server) Run(ctx context.Context) error {
	// Serving outlives the context: drain ends it in order.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(serving)
	for _, l := range append(s.listeners, s.health.listeners...) {
		s.logger.Info("Listening", "listener", l.name, "address", l.Addr().String(), "tls", s.certificates != nil && !l.plain)
		group.Go(func() error { return l.serve(l.Listener) })
	}
	group.Go(func() error { return s.watcher.run(serving) })
	if s.certificates != nil {
		group.Go(func() error { s.certificates.watch(serving); return nil })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-failed.Done():
		}
		defer stop()
		return s.drain(failed)
	})
	return group.Wait()
}

// drain stops the endpoints, and then metrics and probes. It does not wait for
// gateways once the server has failed.
func (s *Server) drain(failed context.Context) error {
	s.health.drain()
	s.logger.Info("Shutting down", "delay", s.config.ShutdownDelay.String())
	// Callers move while this signer still serves: a request that arrives while its
	// connection is closed would fail.
	for _, l := range s.listeners {
		l.retire()
	}
	select {
	case <-failed.Done():
	case <-time.After(s.config.ShutdownDelay):
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(failed), s.config.GracefulShutdown)
	defer cancel()
	stopping := &errgroup.Group{}
	for _, l := range s.listeners {
		stopping.Go(func() error { return l.stop(ctx) })
	}
	err := stopping.Wait()
	for _, l := range s.health.listeners {
		err = errors.Join(err, l.stop(ctx))
	}
	s.logger.Info("Shut down")
	return err
}
