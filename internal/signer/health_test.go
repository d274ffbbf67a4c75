// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestIdleConnectionsDoNotBlockProbes opens more connections than there may be: some
// that were answered, some that send half a request, and some that send nothing.
func TestIdleConnectionsDoNotBlockProbes(t *testing.T) {
	f := newFixture(t)
	h := &health{store: f.store}
	if err := h.open(t.Context(), Config{MetricsBindAddress: "127.0.0.1:0", HealthProbeBindAddress: "127.0.0.1:0"}, prometheus.NewRegistry(), f.logger()); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{listenerProbes: "/healthz", listenerMetrics: "/metrics"}
	for _, l := range h.listeners {
		go func() { _ = l.serve(l.Listener) }()
		t.Cleanup(func() { _ = l.stop(context.Background()) })
		address, path := l.Addr().String(), paths[l.name]
		for _, begin := range []string{"", "GET " + path, "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"} {
			for range 2 * probeConnections {
				connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = connection.Close() })
				if _, err := io.WriteString(connection, begin); err != nil {
					t.Fatal(err)
				}
			}
		}
		client := &http.Client{Timeout: timeout}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s%s", address, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
}
