// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// Metrics are the metrics of a signer. No label contains the name of an object:
// all label values are known in advance.
type Metrics struct {
	requests *prometheus.CounterVec
	// counters are those of requests, which are looked up often.
	counters map[requestLabels]prometheus.Counter
	unusable *prometheus.CounterVec
	inEffect *prometheus.HistogramVec
	expiry   *prometheus.GaugeVec
}

// requestLabels are the labels of a counter of requests.
type requestLabels struct {
	endpoint endpoint
	result   result
}

// NewMetrics registers the metrics of a signer with that store.
func NewMetrics(registry prometheus.Registerer, store *snapshot.Store, now func() time.Time) *Metrics {
	m := &Metrics{
		counters: map[requestLabels]prometheus.Counter{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_signer_requests_total",
			Help: "Requests to the signer, by endpoint and result.",
		}, []string{"endpoint", "result"}),
		unusable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_signer_unusable_total",
			Help: "Requests for slots without a usable key, by endpoint and reason.",
		}, []string{"endpoint", "reason"}),
		inEffect: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "signet_signer_change_effect_seconds",
			Help:    "Time from a change in the cluster until it is in effect in this signer, by kind. Up to one second too long: the API server records changes in whole seconds.",
			Buckets: []float64{0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300},
		}, []string{"kind"}),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signet_signer_certificate_expiry_timestamp_seconds",
			Help: "Expiry of the signer's certificates in seconds since 1970, by certificate: the serving certificate, and the first of the client authorities to expire.",
		}, []string{"certificate"}),
	}
	gauge := func(name, help string, value func(*snapshot.Snapshot) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(store.Snapshot()) })
	}
	registry.MustRegister(m.requests, m.unusable, m.inEffect, m.expiry,
		gauge("signet_signer_snapshot_slots", "Slots that bindings claim, in the current snapshot.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Slots()) }),
		gauge("signet_signer_snapshot_secrets", "Managed Secrets in the current snapshot.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Secrets()) }),
		gauge("signet_signer_snapshot_age_seconds", "Time since the snapshot last changed. It grows while nothing changes in the cluster.",
			func(s *snapshot.Snapshot) float64 { return age(s, now()) }),
		gauge("signet_signer_snapshot_complete", "1 once the snapshot contains everything that existed when the signer started, else 0.",
			func(s *snapshot.Snapshot) float64 { return boolValue(s.Complete()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, at := range endpoints {
		for _, r := range results {
			m.counters[requestLabels{at, r}] = m.requests.WithLabelValues(string(at), string(r))
		}
	}
	return m
}

// registerContacts registers the metric of when the API server was last heard from.
func registerContacts(registry prometheus.Registerer, c *contacts) {
	for _, resource := range watchedResources {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "signet_signer_data_age_seconds",
			Help:        "Time since the API server was last heard from, by resource. It sends something about once a minute. A signer that is cut off uses what it has read before.",
			ConstLabels: prometheus.Labels{"resource": resource},
		}, func() float64 { return c.age(resource).Seconds() }))
	}
}

func age(s *snapshot.Snapshot, now time.Time) float64 {
	if s.Changed().IsZero() {
		return 0
	}
	return now.Sub(s.Changed()).Seconds()
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// countRequest counts a request that has ended. The reason is empty unless the
// slot was unusable.
func (m *Metrics) countRequest(at endpoint, r result, reason snapshot.Reason) {
	m.counters[requestLabels{at, r}].Inc()
	if reason != "" {
		m.unusable.WithLabelValues(string(at), string(reason)).Inc()
	}
}

// observeChange measures how long a change took until it was in effect.
func (m *Metrics) observeChange(kind string, changed, now time.Time) {
	if !changed.IsZero() {
		m.inEffect.WithLabelValues(kind).Observe(max(0, now.Sub(changed).Seconds()))
	}
}

// setExpiry records when a certificate expires.
func (m *Metrics) setExpiry(certificate string, at time.Time) {
	m.expiry.WithLabelValues(certificate).Set(float64(at.Unix()))
}
