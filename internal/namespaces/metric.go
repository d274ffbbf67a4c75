// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"github.com/prometheus/client_golang/prometheus"
)

// allNamespaces stands for all namespaces in the metric.
const allNamespaces = "*"

// Collector returns the metric of that name: 1 for each namespace of --namespaces that
// is served, 0 for each that is not. The names are values of a flag, and not of
// objects that tenants create. A nil Cache has one series, for the namespace "*".
func (c *Cache) Collector(name string) prometheus.Collector {
	names := c.Namespaces
	if c == nil {
		names = func() []string { return []string{allNamespaces} }
	}
	return newCollector(name, names, c.IsServed)
}

type collector struct {
	names    func() []string
	isServed func(namespace string) bool
	served   *prometheus.Desc
}

func newCollector(name string, names func() []string, isServed func(string) bool) prometheus.Collector {
	return &collector{names: names, isServed: isServed, served: prometheus.NewDesc(name,
		"1 if the namespace is served, 0 if it or a permission in it is missing. The namespace * stands for all.", []string{"namespace"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.served }

// Collect implements prometheus.Collector.
func (c *collector) Collect(samples chan<- prometheus.Metric) {
	for _, namespace := range c.names() {
		value := 0.0
		if c.isServed(namespace) {
			value = 1
		}
		samples <- prometheus.MustNewConstMetric(c.served, prometheus.GaugeValue, value, namespace)
	}
}
