// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"
)

// requests are the request counts of the API server, by verb and resource.
type requests map[string]float64

// counted are the resources that Signet reads and writes, and Events, without leases.
var counted = []string{"secrets", "configmaps", "signaturekeys", "signaturebindings", "namespaces", "events"}

// requests returns what the API server has served so far, without watches, which
// are counted at their end.
func (b *bench) requests(ctx context.Context) (requests, error) {
	clients, err := kubernetes.NewForConfig(b.cluster.Config)
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	stream, err := clients.Discovery().RESTClient().Get().AbsPath("/metrics").Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	defer func() { _ = stream.Close() }()
	return parseRequests(stream)
}

func parseRequests(stream io.Reader) (requests, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(stream)
	if err != nil {
		return nil, fmt.Errorf("parse the API server's metrics: %w", err)
	}
	found := requests{}
	for _, metric := range families["apiserver_request_total"].GetMetric() {
		labels := map[string]string{}
		for _, label := range metric.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		if !slices.Contains(counted, labels["resource"]) || labels["verb"] == "WATCH" {
			continue
		}
		what := labels["verb"] + " " + labels["resource"]
		if labels["subresource"] != "" {
			what += "/" + labels["subresource"]
		}
		if !strings.HasPrefix(labels["code"], "2") {
			what += " (" + labels["code"] + ")"
		}
		found[what] += metric.GetCounter().GetValue()
	}
	return found, nil
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
