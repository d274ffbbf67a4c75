// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// testEnvoy runs the parts of config/gateways/envoy/ext-authz.yaml in an Envoy.
func testEnvoy(t *testing.T, f *fixture) {
	plain, signed, overHTTP := proc.FreeAddress(t), proc.FreeAddress(t), proc.FreeAddress(t)
	startEnvoy(t, f, map[string]string{plain: "API/orders", signed: "API/orders-body"}, overHTTP)
	t.Run("story", func(t *testing.T) {
		story(t, f, gateway{plain: plain, plainAPI: "API/orders", signed: signed, signedAPI: "API/orders-body", exact: true})
	})
	t.Run("headers", func(t *testing.T) { envoyHeaders(t, f, plain, overHTTP) })
}

// envoyFile is the file that is shown.
type envoyFile struct {
	Filters  []map[string]any `json:"http_filters"`
	Routes   []map[string]any `json:"routes"`
	Clusters []map[string]any `json:"clusters"`
}

// startEnvoy starts Envoy with a listener for each API, and one that calls the signer
// over HTTP, as Envoy Gateway has it do.
func startEnvoy(t *testing.T, f *fixture, apis map[string]string, overHTTP string) {
	t.Helper()
	program, err := gateways.Envoy()
	if err != nil {
		t.Fatal(err)
	}
	var listeners, clusters []map[string]any
	for address, api := range apis {
		var file envoyFile
		text := f.shown(t, "envoy/ext-authz.yaml", map[string]string{
			"slot: shop/RELEASE/HTTPRoute/orders": "slot: shop/RELEASE/" + api, "/etc/envoy/signet": f.clientCertificate(shop),
			"address: signet-signer.signet-system.svc, port_value: 8445": portOf(t, f.extAuthzAddress),
		})
		if err := yaml.UnmarshalStrict([]byte(text), &file); err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, listenerOf(t, address, file))
		clusters = file.Clusters
		if api == "API/orders" {
			listeners = append(listeners, listenerOf(t, overHTTP, callingOverHTTP(t, file)))
		}
	}
	// The same signer at its other endpoint, without HTTP/2.
	over := maps.Clone(clusters[0])
	over["name"] = "signet_http"
	delete(over, "typed_extension_protocol_options")
	over["load_assignment"] = assignment(t, "signet_http", f.envoyAddress)
	clusters = append(clusters, over)
	clusters = append(clusters, map[string]any{"name": "orders", "load_assignment": assignment(t, "orders", f.backend.address)})
	bootstrap, err := yaml.Marshal(map[string]any{"static_resources": map[string]any{"listeners": listeners, "clusters": clusters}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "envoy.yaml")
	write(t, path, string(bootstrap))
	proc.Run(t, proc.Command{
		Program: program, Dir: dir, Log: filepath.Join(dir, "envoy.log"),
		Args: []string{"-c", path, "--concurrency", "2", "--disable-hot-restart", "--log-level", "warning"},
	})
}

func listenerOf(t *testing.T, address string, file envoyFile) map[string]any {
	t.Helper()
	manager := map[string]any{
		"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix": "orders", "http_filters": file.Filters,
		"http_protocol_options": map[string]any{"accept_http_10": true},
		"route_config":          map[string]any{"virtual_hosts": []any{map[string]any{"name": "orders", "domains": []string{"*"}, "routes": file.Routes}}},
	}
	return map[string]any{
		"address": socket(t, address), "filter_chains": []any{map[string]any{"filters": []any{
			map[string]any{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
		}}},
	}
}

// callingOverHTTP replaces the gRPC service of the file by the HTTP service that Envoy
// Gateway makes of a SecurityPolicy.
func callingOverHTTP(t *testing.T, file envoyFile) envoyFile {
	t.Helper()
	patterns := func(names ...string) map[string]any {
		var all []any
		for _, name := range names {
			all = append(all, map[string]any{"exact": name, "ignore_case": true})
		}
		return map[string]any{"patterns": all}
	}
	filter := map[string]any{
		"@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", "transport_api_version": "V3",
		"allowed_headers": patterns("x-tag"),
		"http_service": map[string]any{
			"server_uri":             map[string]any{"uri": "https://" + signName, "cluster": "signet_http", "timeout": "1s"},
			"path_prefix":            "/envoy/shop/RELEASE/API/orders",
			"authorization_response": map[string]any{"allowed_upstream_headers": patterns("authorization", "x-sdk-date", "x-sdk-content-sha256")},
		},
	}
	route := maps.Clone(file.Routes[0])
	delete(route, "typed_per_filter_config")
	return envoyFile{
		Filters: []map[string]any{{"name": "envoy.filters.http.ext_authz", "typed_config": filter}, file.Filters[len(file.Filters)-1]},
		Routes:  []map[string]any{route},
	}
}

func assignment(t *testing.T, cluster, address string) map[string]any {
	t.Helper()
	return map[string]any{"cluster_name": cluster, "endpoints": []any{map[string]any{"lb_endpoints": []any{
		map[string]any{"endpoint": map[string]any{"address": socket(t, address)}},
	}}}}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("address: %s, port_value: %s", host, port)
}

func socket(t *testing.T, address string) map[string]any {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"socket_address": map[string]any{"address": host, "port_value": port}}
}

// envoyHeaders sends signed headers that Envoy would change in its default form.
func envoyHeaders(t *testing.T, f *fixture, address, overHTTP string) {
	f.create(t, gen.SignatureKey("orders"))
	f.create(t, gen.SignatureBinding("orders", "orders", listing("API/orders"), gen.BindingFunc(func(binding *signetv1alpha1.SignatureBinding) {
		binding.Spec.SignedHeaders = []string{"x-tag"}
	})))
	f.waitFor(t, "orders", signetv1alpha1.ReasonBound)
	f.backend.accept("plain", slot{path: "/verify/shop/RELEASE/API/orders", keys: keySet(t, f, 0, "orders")})
	t.Cleanup(func() { f.forget(t) })
	proc.Eventually(t, "a signed request to be accepted", func() error {
		got, err := send(address, raw{method: "GET", target: "/orders", api: "plain"})
		if err == nil && got.status != http.StatusOK {
			err = statusError(got)
		}
		return err
	})
	for name, header := range map[string][]string{
		"one":                {"X-Tag: a"},
		"repeated":           {"X-Tag: b", "X-Tag: a"},
		"repeated, odd case": {"X-Tag: b", "x-tAG: a", "X-TAG: b"},
		"a list":             {"X-Tag: a, b", "X-Tag: c"},
		"empty":              {"X-Tag:", "X-Tag: a"},
		"Latin-1":            {"X-Tag: caf\xe9"},
		"no UTF-8":           {"X-Tag: \xff\xfe\x80"},
		"UTF-8":              {"X-Tag: café 漢"},
		"white space":        {"X-Tag: \t a \u00a0", "X-Tag: \u3000b"},
	} {
		got := accepted(t, address, raw{method: "GET", target: "/orders", api: "plain", header: header})
		if !strings.Contains(got.Header.Get("Authorization"), "x-tag") {
			t.Errorf("%s: the header is not signed: %s", name, got.Header.Get("Authorization"))
		}
		if len(got.Header.Values("X-Tag")) != len(header) {
			t.Errorf("%s: the backend received %q", name, got.Header.Values("X-Tag"))
		}
		// What HTTP cannot carry fails closed.
		r := raw{method: "GET", target: "/orders", api: "plain", header: header}
		if len(header) == 1 && utf8.ValidString(header[0]) {
			accepted(t, overHTTP, r)
		} else {
			refused(t, f, overHTTP, r, true)
		}
	}
}
