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

// counted are the resources that Signet reads and writes, without Events and
// leases.
var counted = []string{"secrets", "configmaps", "signaturekeys", "signaturebindings", "namespaces"}

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

// since returns the requests since an earlier count for each object, without those
// of the bench itself.
func (r requests) since(before, own requests, objects int) []string {
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(r)) {
		if count := r[what] - before[what] - own[what]; count > 0 {
			lines = append(lines, fmt.Sprintf("%-36s %7.0f   %.3f each", what, count, count/float64(objects)))
		}
	}
	return lines
}
