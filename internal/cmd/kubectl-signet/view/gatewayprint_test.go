// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

const system = "signet-system"

// printed is a gateway's configuration for an API of the shop, bound in RELEASE
// as the change has it.
func printed(t *testing.T, gateway string, api signetv1alpha1.APIReference, change func(*signetv1alpha1.SignatureBindingSpec)) (string, *view.Tenant) {
	t.Helper()
	tenant := shop()
	spec := &tenant.Bindings[0].Spec
	spec.APIs = []signetv1alpha1.APIReference{api}
	if change != nil {
		change(spec)
	}
	text, err := view.GatewayConfig(gateway, view.API{APIReference: api, Namespace: "shop"}, "", tenant.Bindings, system)
	if err != nil {
		t.Fatal(err)
	}
	return text, tenant
}

var (
	route  = signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, "orders")
	signed = func(spec *signetv1alpha1.SignatureBindingSpec) { spec.Payload = signetv1alpha1.PayloadSigned }
	others = func(spec *signetv1alpha1.SignatureBindingSpec) {
		spec.Payload, spec.SignatureHeader, spec.BackendHost = signetv1alpha1.PayloadSigned, "X-Signature", "orders.internal"
		spec.SignedHeaders = []string{"x-tenant", "content-type"}
	}
)

// documents are the objects of YAML, by kind.
func documents(t *testing.T, text string) map[string]*unstructured.Unstructured {
	t.Helper()
	found := map[string]*unstructured.Unstructured{}
	for _, document := range strings.Split(text, "\n---\n") {
		object := settings(t, document, "", "")
		found[object.GetKind()] = object
	}
	return found
}

const shippedFiles = "../../../../config/gateways"

func shown(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shippedFiles, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPrintedObjectsAreTheShownOnes compares with what runs in the tests of
// gateways.
func TestPrintedObjectsAreTheShownOnes(t *testing.T) {
	for name, test := range map[string]struct {
		gateway, file string
		kinds         []string
	}{
		"Traefik":       {view.GatewayTraefik, "traefik/orders.yaml", []string{"Middleware"}},
		"Envoy Gateway": {view.GatewayEnvoyGateway, "envoy/envoy-gateway.yaml", []string{"SecurityPolicy", "Backend"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, _ := printed(t, test.gateway, route, signed)
			got, want := documents(t, text), documents(t, shown(t, test.file))
			for _, kind := range test.kinds {
				if diff := cmp.Diff(want[kind], got[kind]); diff != "" || got[kind] == nil {
					t.Errorf("%s: shown (-), printed (+):\n%s", kind, diff)
				}
			}
		})
	}
}

// instructions are the lines of a configuration that are no comments, with single
// spaces, in order. Those of a script in comments count.
func instructions(text string) []string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "//") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestPrintedLinesAreTheShownOnes compares what is no object line by line, once
// the names that the files choose are the same.
func TestPrintedLinesAreTheShownOnes(t *testing.T) {
	api := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "orders")
	for name, test := range map[string]struct {
		gateway, file string
		change        func(*signetv1alpha1.SignatureBindingSpec)
		// only is set if the file also has another site.
		only    string
		renamed []string
	}{
		"Caddy":            {view.GatewayCaddy, "caddy/Caddyfile", nil, "http://orders.example.com:8080", nil},
		"Caddy, with body": {view.GatewayCaddy, "caddy/Caddyfile", signed, "http://orders.example.com:8081", []string{"orders-body", "orders", "8081", "8080"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, _ := printed(t, test.gateway, api, test.change)
			want := shown(t, test.file)
			if test.only != "" {
				want = siteOf(t, want, test.only)
			}
			want = strings.NewReplacer(test.renamed...).Replace(want)
			got, expected := instructions(text), instructions(want)
			slices.Sort(got)
			slices.Sort(expected)
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("shown (-), printed (+):\n%s", diff)
			}
		})
	}
}

// siteOf is a Caddyfile with one of its sites alone.
func siteOf(t *testing.T, text, site string) string {
	t.Helper()
	parts := strings.Split(text, "\nhttp://")
	for _, part := range parts[1:] {
		if strings.HasPrefix("http://"+part, site) {
			return parts[0] + "\nhttp://" + part
		}
	}
	t.Fatalf("there is no site %s", site)
	return ""
}

// TestPrintedTextIsTheShippedOne compares whole files. UPDATE_GATEWAYS=1 writes them:
// `make generate` sets it.
func TestPrintedTextIsTheShippedOne(t *testing.T) {
	api := func(name string) signetv1alpha1.APIReference {
		return signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, name)
	}
	plain, _ := printed(t, view.GatewayNginx, api("orders"), nil)
	both, _ := printed(t, view.GatewayNginx, api("orders-body"), signed)
	body, _, found := strings.Cut(both, "\n# /etc/nginx/signet/signet.js:\n")
	if !found {
		t.Fatal("there is no script")
	}
	// Both files can be included at once, in front of one backend.
	body = strings.NewReplacer("listen 8080", "listen 8081", "orders-body.shop.svc", "orders.shop.svc",
		"orders-body.example.com", "orders.example.com").Replace(body)
	script, err := view.NginxScript(signetv1alpha1.DefaultSignatureHeader)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"nginx/signed.conf": plain, "nginx/signed-body.conf": body, "nginx/signet.js": script} {
		if os.Getenv("UPDATE_GATEWAYS") != "" {
			if err := os.WriteFile(filepath.Join(shippedFiles, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(shown(t, file), text); diff != "" {
			t.Errorf("%s: shipped (-), printed (+); make generate writes it:\n%s", file, diff)
		}
	}
}

// TestPrintedSettingsAreSafe lets doctor check what is printed.
func TestPrintedSettingsAreSafe(t *testing.T) {
	grpc := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindGRPCRoute, "orders")
	for name, test := range map[string]struct {
		api    signetv1alpha1.APIReference
		change func(*signetv1alpha1.SignatureBindingSpec)
	}{
		"defaults": {route, nil}, "body": {route, signed}, "everything": {route, others}, "gRPC": {grpc, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text, tenant := printed(t, view.GatewayTraefik, test.api, test.change)
			faults, signs := view.CheckMiddleware(documents(t, text)["Middleware"], tenant)
			if !signs || len(faults) > 0 {
				t.Errorf("Traefik: signs is %t, faults are %q in\n%s", signs, messages(faults), text)
			}
			text, tenant = printed(t, view.GatewayEnvoyGateway, test.api, test.change)
			objects := documents(t, text)
			faults, signs = view.CheckSecurityPolicy(objects["SecurityPolicy"], tenant)
			faults = append(faults, view.CheckBackend(objects["Backend"])...)
			if !signs || len(faults) > 0 {
				t.Errorf("Envoy Gateway: signs is %t, faults are %q in\n%s", signs, messages(faults), text)
			}
		})
	}
}

// TestPrintedSettingsAreTheBindings looks for what a binding changes.
func TestPrintedSettingsAreTheBindings(t *testing.T) {
	for gateway, lines := range map[string][]string{
		view.GatewayTraefik:      {"authResponseHeaders: [X-Signature, X-Sdk-Date, X-Sdk-Content-Sha256]", "forwardBody: true", "urlRewrite: {hostname: orders.internal}"},
		view.GatewayEnvoyGateway: {"headersToBackend: [x-signature, x-sdk-date, x-sdk-content-sha256]", "headersToExtAuth: [content-type, x-tenant]", "bodyToExtAuth:", "urlRewrite: {hostname: orders.internal}", "NOT RUN"},
		view.GatewayNginx:        {"proxy_set_header X-Signature $signet_x_signature;", "proxy_set_header Host orders.internal;", "const names = ['X-Signature', 'X-Sdk-Date', 'X-Sdk-Content-Sha256'];"},
		view.GatewayCaddy:        {"request_header -X-Signature", "request_header X-Signature {rp.header.X-Signature}", "header_up Host orders.internal"},
	} {
		text, _ := printed(t, gateway, route, others)
		text = strings.Join(strings.Fields(text), " ")
		for _, line := range lines {
			if !strings.Contains(text, line) {
				t.Errorf("%s: no %q in\n%s", gateway, line, text)
			}
		}
		if strings.Contains(text, "Authorization") {
			t.Errorf("%s: the default header is still there in\n%s", gateway, text)
		}
	}
	text, _ := printed(t, view.GatewayNginx, route, func(spec *signetv1alpha1.SignatureBindingSpec) { spec.SignatureHeader = "X-Signature" })
	if want := "auth_request_set $signet_x_signature $upstream_http_x_signature;"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

func TestPrintedNamesAreKubernetes(t *testing.T) {
	api := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindAPI, "Legacy_Orders.v1")
	text, _ := printed(t, view.GatewayTraefik, api, nil)
	if name := documents(t, text)["Middleware"].GetName(); name != "sign-legacy-orders-v1" {
		t.Errorf("the name is %s", name)
	}
	if !strings.Contains(text, "/sign/shop/RELEASE/API/Legacy_Orders.v1\n") {
		t.Errorf("the slot is not the API's: %s", text)
	}
}

// The configurations of two environments cannot stand in one file: a flag
// selects the printed one.
func TestOneEnvironmentIsPrinted(t *testing.T) {
	tenant := shop()
	tenant.Bindings[1].Spec.APIs, tenant.Bindings[1].Spec.Environment = tenant.Bindings[0].Spec.APIs, "staging_2"
	for _, gateway := range view.Gateways {
		for environment, want := range map[string]string{
			"":        "the API is in the environments RELEASE, staging_2: --env is required",
			"PREVIEW": "the API is not in environment \"PREVIEW\": --env must be one of RELEASE, staging_2",
		} {
			_, err := view.GatewayConfig(gateway, view.API{APIReference: route, Namespace: "shop"}, environment, tenant.Bindings, system)
			if err == nil || err.Error() != want {
				t.Errorf("%s in %q: got %v, want %s", gateway, environment, err, want)
			}
		}
		text, err := view.GatewayConfig(gateway, view.API{APIReference: route, Namespace: "shop"}, "staging_2", tenant.Bindings, system)
		if err != nil || !strings.Contains(text, "/shop/staging_2/HTTPRoute/orders") || strings.Contains(text, "RELEASE") {
			t.Errorf("%s: got %v and\n%s", gateway, err, text)
		}
	}
	text, _ := view.GatewayConfig(view.GatewayTraefik, view.API{APIReference: route, Namespace: "shop"}, "staging_2", tenant.Bindings, system)
	if !strings.Contains(text, "name: sign-orders-staging-2,") {
		t.Errorf("the Middleware has the name of the other environment's:\n%s", text)
	}
}

func TestGatewayConfigsThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		gateway string
		api     signetv1alpha1.APIReference
		want    string
	}{
		"not bound": {view.GatewayTraefik, signetv1alpha1.NewAPIReference("API", "none"), "no SignatureBinding in namespace \"shop\" lists api/none"},
		"gRPC":      {view.GatewayNginx, signetv1alpha1.NewAPIReference("GRPCRoute", "orders"), "the configuration of nginx supports only HTTP: for a GRPCRoute use --gateway traefik or envoy-gateway"},
	} {
		_, err := view.GatewayConfig(test.gateway, view.API{APIReference: test.api, Namespace: "shop"}, "", shop().Bindings, system)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}
