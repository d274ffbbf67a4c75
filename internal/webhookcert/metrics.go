package webhookcert

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var expiry = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "signet_webhook_certificate_expiry_timestamp_seconds",
	Help: "When the webhook's certificates end, in seconds since 1970: this replica's serving certificate and the authority that signed it.",
}, []string{"certificate"})

func init() { metrics.Registry.MustRegister(expiry) }
