package signer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// Metrics are what the signer tells Prometheus. No label has the name of an
// object: labels are sets that are known beforehand.
type Metrics struct {
	requests *prometheus.CounterVec
	unusable *prometheus.CounterVec
	inForce  *prometheus.HistogramVec
	expiry   *prometheus.GaugeVec
}

// NewMetrics registers the metrics of a signer with that store.
func NewMetrics(registry prometheus.Registerer, store *snapshot.Store, now func() time.Time) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_signer_requests_total",
			Help: "Requests to the signer, by face and by how they ended.",
		}, []string{"face", "result"}),
		unusable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_signer_unusable_total",
			Help: "Requests for slots that could not be signed for, by face and by why.",
		}, []string{"face", "reason"}),
		inForce: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "signet_signer_change_in_force_seconds",
			Help:    "Time from a change in the cluster to its being in force in this signer, by kind of object. The API server keeps the time of a change in whole seconds: up to one second is too much.",
			Buckets: []float64{0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300},
		}, []string{"kind"}),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signet_signer_certificate_expiry_timestamp_seconds",
			Help: "When the signer's certificates end, in seconds since 1970: the serving certificate, and the first to end of the authorities for clients.",
		}, []string{"certificate"}),
	}
	gauge := func(name, help string, value func(*snapshot.Snapshot) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(store.Snapshot()) })
	}
	registry.MustRegister(m.requests, m.unusable, m.inForce, m.expiry,
		gauge("signet_signer_snapshot_slots", "Slots that bindings claim, in the snapshot in force.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Slots()) }),
		gauge("signet_signer_snapshot_secrets", "Managed Secrets in the snapshot in force.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Secrets()) }),
		gauge("signet_signer_snapshot_age_seconds", "Time since the last change of the snapshot in force; a quiet cluster makes it old.",
			func(s *snapshot.Snapshot) float64 { return age(s, now()) }),
		gauge("signet_signer_snapshot_complete", "1 once all that there was at the start is in the snapshot.",
			func(s *snapshot.Snapshot) float64 { return truth(s.Complete()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, at := range faces {
		for _, ended := range results {
			m.requests.WithLabelValues(string(at), string(ended))
		}
	}
	return m
}

func age(s *snapshot.Snapshot, now time.Time) float64 {
	if s.Changed().IsZero() {
		return 0
	}
	return now.Sub(s.Changed()).Seconds()
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// ended counts a request.
func (m *Metrics) ended(at endpoint, ended result, reason snapshot.Reason) {
	m.requests.WithLabelValues(string(at), string(ended)).Inc()
	if reason != "" {
		m.unusable.WithLabelValues(string(at), string(reason)).Inc()
	}
}

// took measures how long a change has taken to be in force.
func (m *Metrics) took(kind string, changed, now time.Time) {
	if !changed.IsZero() {
		m.inForce.WithLabelValues(kind).Observe(max(0, now.Sub(changed).Seconds()))
	}
}

// expires notes when a certificate ends.
func (m *Metrics) expires(certificate string, at time.Time) {
	m.expiry.WithLabelValues(certificate).Set(float64(at.Unix()))
}
