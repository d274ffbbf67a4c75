package signer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// Run runs a signer until the context ends.
func Run(ctx context.Context, options Options) error {
	if err := options.Validate(); err != nil {
		return err
	}
	logger := options.Logger()
	ctrl.SetLogger(logger)
	klog.SetLogger(logger.WithName("client-go"))
	config, err := kubeclient.DaemonConfig(options.Kubeconfig, "signet-signer")
	if err != nil {
		return err
	}
	// An API server that is away is waited for; rights that are missing are not.
	var missing *kubeclient.MissingPermissionsError
	if err := kubeclient.CheckAccess(ctx, config, options.permissions()); errors.As(err, &missing) {
		return err
	} else if err != nil {
		logger.Error(err, "cannot tell whether the signer has the rights that it needs")
	}
	server, err := NewServer(config, options, logger)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// permissions are those to follow what it signs with.
func (o Options) permissions() []kubeclient.Permission {
	group, follow := signetv1alpha1.GroupVersion.Group, []string{"list", "watch"}
	return kubeclient.ForNamespaces(o.Namespaces,
		kubeclient.Permission{Group: group, Resource: "signaturekeys", Verbs: follow},
		kubeclient.Permission{Group: group, Resource: "signaturebindings", Verbs: follow},
		kubeclient.Permission{Resource: "secrets", Verbs: follow},
	)
}

// Server is a signer with its listeners open.
type Server struct {
	options      Options
	logger       logr.Logger
	watcher      *watcher
	certificates *certificates
	listeners    []*listener
	health       *health
}

// NewServer puts a signer together and opens its listeners.
func NewServer(config *rest.Config, options Options, logger logr.Logger) (*Server, error) {
	store, registry := snapshot.New(), prometheus.NewRegistry()
	metrics := NewMetrics(registry, store, time.Now)
	s := &Server{options: options, logger: logger, health: &health{store: store}}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("make the scheme: %w", err)
	}
	objects, err := cache.New(config, cacheOptions(scheme, options.Namespaces))
	if err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	s.watcher = &watcher{store: store, cache: objects, metrics: metrics, logger: logger, now: time.Now}
	if options.TLS.Given() {
		if s.certificates, err = newCertificates(options.TLS, metrics, logger); err != nil {
			return nil, err
		}
	}
	if err := s.open(New(store, options.Limits, time.Now, metrics, logger), registry); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// open opens every listener that is not turned off.
func (s *Server) open(signer *Signer, registry *prometheus.Registry) error {
	secured, limits := s.certificates != nil, s.options.Limits
	for at, address := range map[endpoint]string{
		faceSign: s.options.SignBindAddress, faceEnvoy: s.options.EnvoyBindAddress,
		faceExtAuthz: s.options.ExtAuthzBindAddress, faceVerify: s.options.VerifyBindAddress,
	} {
		if address == none {
			continue
		}
		opened, err := listen(string(at), address, secured)
		if err != nil {
			return err
		}
		opened = signer.bounded(at, opened, secured)
		if at == faceExtAuthz {
			s.listeners = append(s.listeners, grpcListener(string(at), opened, signer.ExtAuthz(!secured), limits, s.certificates))
			continue
		}
		handler := signer.SignHandler(!secured)
		switch at {
		case faceEnvoy:
			handler = signer.EnvoyHandler(!secured)
		case faceVerify:
			handler = signer.VerifyHandler(!secured)
		}
		s.listeners = append(s.listeners, httpListener(string(at), opened, httpServer(handler, limits, s.certificates, s.logger)))
	}
	return s.health.open(s.options, registry, s.logger)
}

func (s *Server) close() {
	for _, l := range append(s.listeners, s.health.listeners...) {
		_ = l.Close()
	}
}

// Address is where a face, metrics or probes listens; nil if it does not.
func (s *Server) Address(name string) net.Addr {
	for _, l := range append(s.listeners, s.health.listeners...) {
		if l.name == name {
			return l.Addr()
		}
	}
	return nil
}

// Run serves until the context ends: then it is not ready any more, goes on
// serving until gateways have noticed, and finishes what is under way.
func (s *Server) Run(ctx context.Context) error {
	// What serves outlives the context: it ends in an order.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, broken := errgroup.WithContext(serving)
	for _, l := range append(s.listeners, s.health.listeners...) {
		s.logger.Info("listens", "for", l.name, "address", l.Addr().String(), "tls", s.certificates != nil && !l.plain)
		group.Go(func() error { return l.serve(l.Listener) })
	}
	group.Go(func() error { return s.watcher.run(serving) })
	if s.certificates != nil {
		group.Go(func() error { s.certificates.follow(serving); return nil })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-broken.Done():
		}
		defer stop()
		return s.drain(broken)
	})
	return group.Wait()
}

// drain ends the faces, and then the rest.
func (s *Server) drain(broken context.Context) error {
	s.health.drain()
	s.logger.Info("stops: not ready any more", "delay", s.options.ShutdownDelay.String())
	select {
	case <-broken.Done():
	case <-time.After(s.options.ShutdownDelay):
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.GracefulShutdown)
	defer cancel()
	stopping := &errgroup.Group{}
	for _, l := range s.listeners {
		stopping.Go(func() error { return l.stop(ctx) })
	}
	err := stopping.Wait()
	for _, l := range s.health.listeners {
		err = errors.Join(err, l.stop(ctx))
	}
	s.logger.Info("stopped")
	return err
}
