// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/signet-dev/signet/internal/signer/snapshot"
)

const (
	listenerMetrics = "metrics"
	listenerProbes  = "probes"

	probeMaxHeader = 4 << 10
	probeTimeout   = 10 * time.Second
	// probeConnections is the maximum number of connections. The newest replaces the
	// oldest, so that no client can keep others from a probe.
	probeConnections = 64
)

// health serves metrics and probes.
type health struct {
	store    *snapshot.Store
	contacts *contacts
	// maxDataAge is Config.MaxDataAge.
	maxDataAge time.Duration
	draining   atomic.Bool
	listeners  []*listener
}

// open opens the listeners of metrics and probes. They have no TLS: neither
// reveals anything about material.
func (h *health) open(ctx context.Context, config Config, registry *prometheus.Registry, logger logr.Logger) error {
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	probes := http.NewServeMux()
	probes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeProbe(w, "") })
	probes.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { writeProbe(w, h.unreadyReason()) })
	limits := Limits{MaxHeader: probeMaxHeader, ReadTimeout: probeTimeout}
	for _, at := range []struct {
		name, address string
		handler       http.Handler
	}{{listenerMetrics, config.MetricsBindAddress, metrics}, {listenerProbes, config.HealthProbeBindAddress, probes}} {
		if at.address == Disabled {
			continue
		}
		opened, err := listen(ctx, at.name, at.address, true)
		if err != nil {
			return err
		}
		server := httpServer(at.handler, limits, nil, logger)
		// Kubelet and Prometheus open a connection for each request at no cost.
		server.SetKeepAlivesEnabled(false)
		l := httpListener(at.name, newReplacingListener(opened, probeConnections), server)
		l.plain = true
		h.listeners = append(h.listeners, l)
	}
	return nil
}

// drain makes the signer unready.
func (h *health) drain() { h.draining.Store(true) }

// unreadyReason returns why no requests should arrive. It returns an empty string
// if the signer is ready.
func (h *health) unreadyReason() string {
	switch {
	case h.draining.Load():
		return "shutting down"
	case !h.store.Snapshot().Complete():
		return "first snapshot not complete"
	case h.maxDataAge > 0 && h.contacts.maxAge() > h.maxDataAge:
		return "API server not heard from for too long"
	}
	return ""
}

func writeProbe(w http.ResponseWriter, problem string) {
	if problem != "" {
		http.Error(w, problem, http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}
