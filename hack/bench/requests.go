// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"
)

// requests are the request counts of the API server, by verb and resource.
type requests map[string]float64

// counted are the resources that Signet reads and writes, and Events, without leases.
var counted = []string{"secrets", "configmaps", "signaturekeys", "signaturebindings", "namespaces", "events"}

// serverMetrics calls with each counter and gauge of the API server.
func (b *bench) serverMetrics(ctx context.Context, read func(name string, labels map[string]string, value float64)) error {
	clients, err := kubernetes.NewForConfig(b.cluster.Config)
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	stream, err := clients.Discovery().RESTClient().Get().AbsPath("/metrics").Stream(ctx)
	if err != nil {
		return fmt.Errorf("read the API server's metrics: %w", err)
	}
	defer func() { _ = stream.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(stream)
	if err != nil {
		return fmt.Errorf("parse the API server's metrics: %w", err)
	}
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			read(name, labels, metric.GetCounter().GetValue()+metric.GetGauge().GetValue())
		}
	}
	return nil
}

// serverUsage returns what the API server has used so far, and the size of what etcd
// stores.
func (b *bench) serverUsage(ctx context.Context) (used usage, stored int64, err error) {
	err = b.serverMetrics(ctx, func(name string, _ map[string]string, value float64) {
		switch name {
		case "process_cpu_seconds_total":
			used.CPU = time.Duration(value * float64(time.Second))
		case "process_resident_memory_bytes":
			used.Resident = int64(value)
		case "apiserver_storage_size_bytes":
			stored = int64(value)
		}
	})
	return used, stored, err
}

// requests returns what the API server has served so far, without watches, which
// are counted at their end.
func (b *bench) requests(ctx context.Context) (requests, error) {
	found := requests{}
	err := b.serverMetrics(ctx, func(name string, labels map[string]string, value float64) {
		if name != "apiserver_request_total" || !slices.Contains(counted, labels["resource"]) || labels["verb"] == "WATCH" {
			return
		}
		what := labels["verb"] + " " + labels["resource"]
		if labels["subresource"] != "" {
			what += "/" + labels["subresource"]
		}
		if !strings.HasPrefix(labels["code"], "2") {
			what += " (" + labels["code"] + ")"
		}
		found[what] += value
	})
	return found, err
}

// since returns the requests since an earlier count, without those of the bench itself.
func (r requests) since(before, own requests) requests {
	difference := requests{}
	for what, count := range r {
		if count -= before[what] + own[what]; count > 0 {
			difference[what] = count
		}
	}
	return difference
}

// writes returns the number of writes that the API server has accepted, without Events.
func (r requests) writes() (sum float64) {
	for what, count := range r {
		verb, resource, _ := strings.Cut(what, " ")
		if slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, verb) && resource != "events" && !strings.HasSuffix(what, ")") {
			sum += count
		}
	}
	return sum
}

// conflicts returns the number of writes that were refused as outdated.
func (r requests) conflicts() (sum float64) {
	for what, count := range r {
		if strings.HasSuffix(what, "(409)") {
			sum += count
		}
	}
	return sum
}

// printRequests prints and returns the requests since an earlier count for each object, when no more
// are made.
func (b *bench) printRequests(ctx context.Context, role string, before, own requests, objects int) (requests, error) {
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	after, err := b.requests(ctx)
	if err != nil {
		return nil, err
	}
	line("API requests of the %s and the control plane, without leases and watches:", role)
	made := after.since(before, own)
	for _, what := range slices.Sorted(maps.Keys(made)) {
		line("  %-36s %7.0f   %.3f each", what, made[what], made[what]/float64(objects))
	}
	return made, nil
}
