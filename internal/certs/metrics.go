package certs

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var expiry = prometheus.NewGauge(prometheus.GaugeOpts{
	Name: "signet_webhook_certificate_expiry_seconds",
	Help: "When this replica's webhook serving certificate ends, in seconds since 1970.",
})

func init() { metrics.Registry.MustRegister(expiry) }
