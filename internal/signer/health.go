package signer

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/signet-dev/signet/internal/signer/snapshot"
)

const (
	listenMetrics = "metrics"
	listenProbes  = "probes"

	probeTimeout     = 10 * time.Second
	probeConnections = 64
)

// health answers the kubelet and Prometheus.
type health struct {
	store     *snapshot.Store
	draining  atomic.Bool
	listeners []*listener
}

// open opens the listeners of metrics and probes. They have no TLS: neither
// tells anything of material.
func (h *health) open(options Options, registry *prometheus.Registry, logger logr.Logger) error {
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	probes := http.NewServeMux()
	probes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { tell(w, "") })
	probes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { tell(w, h.unready()) })
	limits := Limits{MaxHeader: minMaxHeader, ReadTimeout: probeTimeout}
	for _, at := range []struct {
		name, address string
		handler       http.Handler
	}{{listenMetrics, options.MetricsBindAddress, metrics}, {listenProbes, options.HealthProbeBindAddress, probes}} {
		if at.address == none {
			continue
		}
		opened, err := listen(at.name, at.address, true)
		if err != nil {
			return err
		}
		l := httpListener(at.name, netutil.LimitListener(opened, probeConnections), httpServer(at.handler, limits, nil, logger))
		l.plain = true
		h.listeners = append(h.listeners, l)
	}
	return nil
}

// drain makes the signer not ready.
func (h *health) drain() { h.draining.Store(true) }

// unready says why no requests should come; empty if they should.
func (h *health) unready() string {
	switch {
	case h.draining.Load():
		return "it stops"
	case !h.store.Snapshot().Complete():
		return "the first snapshot is not complete"
	}
	return ""
}

func tell(w http.ResponseWriter, problem string) {
	if problem != "" {
		http.Error(w, problem, http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}
