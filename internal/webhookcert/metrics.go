// SPDX-License-Identifier: Apache-2.0

package webhookcert

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var expiry = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "signet_webhook_certificate_expiry_timestamp_seconds",
	Help: "Expiry of the webhook certificates in seconds since 1970, by certificate: this replica's serving certificate, and the authority that issued it.",
}, []string{"certificate"})

func init() { metrics.Registry.MustRegister(expiry) }
