// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// shop is a namespace with bindings of the routes orders and, with everything
// another than the default, invoices.
func shop() *view.Tenant {
	bound := func(name string) signetv1alpha1.SignatureBinding {
		b := signetv1alpha1.SignatureBinding{}
		b.Namespace, b.Name = "shop", name
		b.Spec.KeyRef.Name, b.Spec.Environment = name, "RELEASE"
		b.Spec.APIs = []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, name)}
		return b
	}
	orders, invoices := bound("orders"), bound("invoices")
	invoices.Spec.SignatureHeader, invoices.Spec.Payload, invoices.Spec.SignedHeaders = "X-Signature", signetv1alpha1.PayloadSigned, []string{"content-type"}
	return &view.Tenant{Namespace: "shop", Bindings: []signetv1alpha1.SignatureBinding{orders, invoices}}
}

// settings is YAML in which each case changes one thing.
func settings(t *testing.T, text, from, to string) *unstructured.Unstructured {
	t.Helper()
	if !strings.Contains(text, from) {
		t.Fatalf("there is no %q to change", from)
	}
	object := &unstructured.Unstructured{}
	converted, err := yaml.YAMLToJSON([]byte(strings.Replace(text, from, to, 1)))
	if err == nil {
		err = json.Unmarshal(converted, &object.Object) // whole numbers stay whole
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// messages are the faults in a line each: a warning begins with ?.
func messages(faults []view.Fault) []string {
	var texts []string
	for _, fault := range faults {
		mark := ""
		if fault.Result == view.Warning {
			mark = "?"
		}
		texts = append(texts, mark+fault.Message)
	}
	return texts
}

type change struct{ from, to, want string }

// run compares the faults that check finds after each change: the wanted messages,
// one per line.
func run(t *testing.T, text string, cases map[string]change, check func(*unstructured.Unstructured) []view.Fault) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			faults := check(settings(t, text, cases[name].from, cases[name].to))
			if diff := cmp.Diff(cases[name].want, strings.Join(messages(faults), "\n")); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			for _, fault := range faults {
				if fault.Action == "" {
					t.Errorf("no advice on %q", fault.Message)
				}
			}
		})
	}
}

const middleware = `
spec:
  forwardAuth:
    address: https://signet-signer.signet-system.svc:8443/sign/shop/RELEASE/HTTPRoute/invoices
    authResponseHeaders: [X-Signature, x-sdk-date, X-Sdk-Content-Sha256]
    authRequestHeaders: [Content-Type]
    trustForwardHeader: false
    forwardBody: true
    maxBodySize: 1048576
    tls: {certSecret: signet-signer-sign-shop, caSecret: signet-signer-sign-shop}
`

func TestMiddlewares(t *testing.T) {
	const pattern = "authResponseHeaders: []\n    authResponseHeadersRegex: "
	const listed = "authResponseHeaders: [X-Signature, x-sdk-date, X-Sdk-Content-Sha256]"
	run(t, middleware, map[string]change{
		"good":            {"", "", ""},
		"by pattern":      {listed, pattern + "^X-S", ""},
		"narrow pattern":  {listed, pattern + "^X-Sdk", "forwardAuth.authResponseHeaders lacks X-Signature, which carries the signature: requests pass unsigned, with the client's own X-Signature"},
		"no pattern":      {listed, pattern + "'('", "forwardAuth.authResponseHeadersRegex is not a valid regular expression"},
		"trusting":        {"trustForwardHeader: false", "trustForwardHeader: true", "forwardAuth.trustForwardHeader is true: clients can choose what is signed"},
		"default header":  {"[X-Signature,", "[Authorization,", "forwardAuth.authResponseHeaders lacks X-Signature, which carries the signature: requests pass unsigned, with the client's own X-Signature"},
		"no date":         {"x-sdk-date, ", "", "forwardAuth.authResponseHeaders lacks X-Sdk-Date: the client's own value passes, and backends refuse the request"},
		"no digest":       {", X-Sdk-Content-Sha256", "", "forwardAuth.authResponseHeaders lacks X-Sdk-Content-Sha256: the client's own value passes, and backends refuse the request"},
		"signed header":   {"[Content-Type]", "[Accept]", "forwardAuth.authRequestHeaders lacks content-type, which binding \"invoices\" signs: backends refuse requests that have it"},
		"all are passed":  {"[Content-Type]", "[]", ""},
		"no body":         {"forwardBody: true", "forwardBody: false", "forwardAuth.forwardBody is not true, but binding \"invoices\" has payload Signed: backends refuse requests with a body"},
		"unlimited body":  {"maxBodySize: 1048576", "maxBodySize: -1", "?forwardAuth.maxBodySize sets no limit: any client can make Traefik read a body of any size into memory"},
		"no limit":        {"maxBodySize: 1048576", "", "?forwardAuth.maxBodySize sets no limit: any client can make Traefik read a body of any size into memory"},
		"another's slot":  {"/sign/shop/", "/sign/other/", "forwardAuth.address names an API of namespace \"other\": with this namespace's certificate the signer responds with 403, and with a broader one it signs as namespace \"other\""},
		"no slot":         {"RELEASE/HTTPRoute/", "", "forwardAuth.address has the path \"/sign/shop/invoices\", which is not /sign/<namespace>/<environment>/<kind>/<name>: the signer responds with 404"},
		"other endpoint":  {"/sign/shop", "/envoy/shop", "forwardAuth.address calls the endpoint /envoy/, but this gateway needs /sign/"},
		"not bound":       {"HTTPRoute/invoices", "HTTPRoute/none", "?forwardAuth.address: no SignatureBinding lists httproute/none in RELEASE: the signer responds with 503"},
		"plain":           {"https://", "http://", "forwardAuth.address is not https: the signer accepts plaintext only on loopback"},
		"sidecar":         {"https://signet-signer.signet-system.svc:8443", "http://127.0.0.1:8443", ""},
		"no certificate":  {"certSecret: signet-signer-sign-shop, ", "", "forwardAuth.tls.certSecret is missing: the signer refuses callers without a certificate"},
		"not verified":    {"{certSecret", "{insecureSkipVerify: true, certSecret", "forwardAuth.tls.insecureSkipVerify is true: any server at that address decides which requests pass"},
		"no authority":    {", caSecret: signet-signer-sign-shop", "", "?forwardAuth.tls.caSecret is missing: the signer's certificate is trusted only if the system knows its CA"},
		"another service": {"https://signet-signer.signet-system.svc:8443/sign/shop/RELEASE/HTTPRoute/invoices", "http://login/", ""},
	}, func(object *unstructured.Unstructured) []view.Fault {
		faults, _ := view.CheckMiddleware(object, shop())
		return faults
	})
}

func TestUnsignedNeedsNoBody(t *testing.T) {
	text := strings.NewReplacer("HTTPRoute/invoices", "HTTPRoute/orders", "X-Signature", "authorization",
		"forwardBody: true", "", "maxBodySize: 1048576", "").Replace(middleware)
	faults, signs := view.CheckMiddleware(settings(t, text, "", ""), shop())
	if !signs || len(faults) > 0 {
		t.Errorf("signs: %t, faults: %q", signs, messages(faults))
	}
}

const securityPolicy = `
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: invoices}]
  extAuth:
    failOpen: false
    bodyToExtAuth: {maxRequestBytes: 1048576}
    headersToExtAuth: [content-type]
    http:
      path: /envoy/shop/RELEASE/HTTPRoute/invoices
      headersToBackend: [x-signature, x-sdk-date, x-sdk-content-sha256]
      backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: signet}]
`

func TestSecurityPolicies(t *testing.T) {
	run(t, securityPolicy, map[string]change{
		"good":            {"", "", ""},
		"open":            {"failOpen: false", "failOpen: true", "extAuth.failOpen is true: without the signer, requests pass unsigned"},
		"no signature":    {"[x-signature, ", "[", "extAuth.http.headersToBackend lacks X-Signature, which carries the signature: requests pass unsigned, with the client's own X-Signature"},
		"no headers":      {"headersToBackend", "headersToClient", "extAuth.http.headersToBackend lacks X-Signature, which carries the signature: requests pass unsigned, with the client's own X-Signature\nextAuth.http.headersToBackend lacks X-Sdk-Date: the client's own value passes, and backends refuse the request\nextAuth.http.headersToBackend lacks X-Sdk-Content-Sha256: the client's own value passes, and backends refuse the request"},
		"no body":         {"bodyToExtAuth: {maxRequestBytes: 1048576}", "", "extAuth.bodyToExtAuth is missing, but binding \"invoices\" has payload Signed: backends refuse requests with a body"},
		"signed header":   {"headersToExtAuth: [content-type]", "", "extAuth.headersToExtAuth lacks content-type, which binding \"invoices\" signs: backends refuse requests that have it"},
		"path instead":    {"path: /envoy", "pathOverride: /envoy", "extAuth.http.pathOverride replaces the request's target, so the signer cannot sign it"},
		"other endpoint":  {"/envoy/", "/sign/", "extAuth.http.path calls the endpoint /sign/, but this gateway needs /envoy/"},
		"all routes":      {"kind: HTTPRoute, name: invoices", "kind: Gateway, name: edge", "targetRefs names Gateway edge, whose requests are signed as those of httproute/invoices"},
		"other route":     {"name: invoices", "name: orders", "targetRefs names HTTPRoute orders, whose requests are signed as those of httproute/invoices"},
		"another service": {"/envoy/shop/RELEASE/HTTPRoute/invoices\n      headersToBackend: [x-signature, x-sdk-date, x-sdk-content-sha256]\n      backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: signet}]", "/login", ""},
	}, func(object *unstructured.Unstructured) []view.Fault {
		faults, _ := view.CheckSecurityPolicy(object, shop())
		return faults
	})
	const grpc = "\nspec:\n  targetRef: {kind: HTTPRoute, name: orders}\n  extAuth:\n    contextExtensions: [{name: slot, value: shop/RELEASE/HTTPRoute/orders}]\n    grpc: {backendRef: {name: signet}}\n"
	run(t, grpc, map[string]change{
		"grpc":      {"", "", ""},
		"grpc slot": {"value: shop/", "value: other/", "extAuth.contextExtensions names an API of namespace \"other\": with this namespace's certificate the signer responds with 403, and with a broader one it signs as namespace \"other\""},
		"grpc body": {"grpc:", "bodyToExtAuth: {maxRequestBytes: 1}\n    grpc:", "extAuth.bodyToExtAuth with grpc passes bodies as text: the signer refuses every request with a body"},
	}, func(object *unstructured.Unstructured) []view.Fault {
		faults, _ := view.CheckSecurityPolicy(object, shop())
		return faults
	})
}

func TestBackends(t *testing.T) {
	const backend = `
spec:
  endpoints: [{ip: {address: 10.0.0.1, port: 8444}}]
  tls: {caCertificateRefs: [{name: signet}], clientCertificateRef: {name: signet}}
`
	const plain = "spec.tls is missing: the signer accepts plaintext only on loopback"
	run(t, backend, map[string]change{
		"good":           {"", "", ""},
		"plain":          {"tls:", "other:", plain},
		"no certificate": {", clientCertificateRef: {name: signet}", "", "tls.clientCertificateRef is missing: the signer refuses callers without a certificate"},
		"not verified":   {"caCertificateRefs: [{name: signet}]", "insecureSkipVerify: true", "tls.insecureSkipVerify is true: any server at that address decides which requests pass"},
	}, view.CheckBackend)
	run(t, "spec: {endpoints: [{ip: {address: 127.0.0.1}}]}", map[string]change{
		"sidecar": {"", "", ""}, "not loopback": {"127.0.0.1", "10.0.0.1", plain},
	}, view.CheckBackend)
}

const mesh = `
extensionProviders:
- {name: login, envoyExtAuthzHttp: {service: login.default.svc, failOpen: true}}
- name: signet
  envoyExtAuthzHttp:
    service: signet-system/signet-signer.signet-system.svc.cluster.local
    port: 8444
    failOpen: false
    pathPrefix: /envoy/shop/RELEASE/HTTPRoute/invoices
    headersToUpstreamOnAllow: [x-signature, x-sdk-*]
    includeRequestHeadersInCheck: ["*-type"]
    includeRequestBodyInCheck: {maxRequestBytes: 1048576, allowPartialMessage: false}
`

func TestExtensionProviders(t *testing.T) {
	const http = "envoyExtAuthzHttp."
	check := func(object *unstructured.Unstructured) []view.Fault {
		providers := view.SignerProviders(object.Object, shop())
		if len(providers) != 1 || providers[0].Name != "signet" {
			t.Fatalf("the signer is not found: %v", providers)
		}
		return providers[0].Faults
	}
	run(t, mesh, map[string]change{
		"good":          {"", "", ""},
		"open":          {"failOpen: false", "failOpen: true", http + "failOpen is true: without the signer, requests pass unsigned"},
		"part of body":  {"allowPartialMessage: false", "allowPartialMessage: true", http + "includeRequestBodyInCheck.allowPartialMessage is true: the signer refuses partial bodies"},
		"no body":       {"includeRequestBodyInCheck", "other", http + "includeRequestBodyInCheck is missing, but binding \"invoices\" has payload Signed: backends refuse requests with a body"},
		"no signature":  {"x-signature, ", "", http + "headersToUpstreamOnAllow lacks X-Signature, which carries the signature: requests pass unsigned, with the client's own X-Signature"},
		"no date":       {"x-sdk-*", "x-sdk-content-sha256", http + "headersToUpstreamOnAllow lacks X-Sdk-Date: the client's own value passes, and backends refuse the request"},
		"signed header": {"*-type", "accept", http + "includeRequestHeadersInCheck lacks content-type, which binding \"invoices\" signs: backends refuse requests that have it"},
		"another's":     {"x-signature, x-sdk-*", "authorization, x-sdk-*]\n    pathPrefix: /envoy/other/RELEASE/API/x\n    others: [", ""},
		"no slot":       {"/RELEASE/HTTPRoute", "", http + "pathPrefix has the path \"/envoy/shop/invoices\", which is not /envoy/<namespace>/<environment>/<kind>/<name>: the signer responds with 404"},
	}, check)
	const grpc = "extensionProviders: [{name: signet, envoyExtAuthzGrpc: {service: signet-signer.signet-system.svc, includeRequestBodyInCheck: {packAsBytes: true}}}]"
	run(t, grpc, map[string]change{
		"grpc":      {"", "", ""},
		"grpc open": {"service:", "failOpen: true, service:", "envoyExtAuthzGrpc.failOpen is true: without the signer, requests pass unsigned"},
		"grpc text": {"packAsBytes: true", "maxRequestBytes: 1", "envoyExtAuthzGrpc.includeRequestBodyInCheck.packAsBytes is not true: the signer refuses bodies as text"},
	}, check)
}

func TestAuthorizationPolicies(t *testing.T) {
	run(t, "spec: {action: CUSTOM, provider: {name: signet}, rules: [{}]}", map[string]change{
		"good":           {"", "", ""},
		"no rule":        {"rules: [{}]", "rules: []", "spec.rules is empty: it matches no request, so all pass unsigned"},
		"some requests":  {"[{}]", "[{to: [{operation: {paths: [/v1]}}]}]", "?spec.rules narrows what is signed: requests that no rule matches pass unsigned"},
		"another's":      {"name: signet", "name: login", ""},
		"another action": {"CUSTOM", "ALLOW", ""},
	}, func(object *unstructured.Unstructured) []view.Fault {
		faults, _ := view.CheckAuthorizationPolicy(object, []view.Provider{{Name: "signet"}})
		return faults
	})
}

func TestEnvoyFilters(t *testing.T) {
	const filter = `
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    patch:
      value:
        name: envoy.filters.http.ext_authz
        typed_config:
          failure_mode_allow: false
          with_request_body: {allow_partial_message: false}
          grpc_service: {google_grpc: {target_uri: "signet-signer.signet-system.svc:8445"}}
`
	run(t, filter, map[string]change{
		"good":         {"", "", ""},
		"open":         {"failure_mode_allow: false", "failure_mode_allow: true", "failure_mode_allow is true: without the signer, requests pass unsigned"},
		"other name":   {"failure_mode_allow: false", "failureModeAllow: true", "failure_mode_allow is true: without the signer, requests pass unsigned"},
		"part of body": {"allow_partial_message: false", "allow_partial_message: true", "allow_partial_message is true: the signer refuses partial bodies"},
		"another's":    {"false\n          with_request_body: {allow_partial_message: false}\n          grpc_service: {google_grpc: {target_uri: \"signet-signer", "true\n          grpc_service: {google_grpc: {target_uri: \"login", ""},
	}, func(object *unstructured.Unstructured) []view.Fault {
		faults, _ := view.CheckEnvoyFilter(object)
		return faults
	})
}

func TestRoutesWithMiddlewares(t *testing.T) {
	known := view.Middlewares{
		"sign":  settings(t, middleware, "", ""),
		"login": settings(t, "spec: {forwardAuth: {address: 'https://login'}}", "", ""),
		"chain": settings(t, "spec: {chain: {middlewares: [{name: sign}]}}", "", ""),
	}
	const sign, rewrite = "{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: sign}}", "{type: URLRewrite, urlRewrite: {hostname: a.b}}"
	const route = "metadata: {name: invoices}\nspec: {rules: [{filters: [" + rewrite + ", " + sign + "]}]}"
	run(t, route, map[string]change{
		"good":            {"", "", ""},
		"by a chain":      {"name: sign", "name: chain", ""},
		"rewritten after": {rewrite + ", " + sign, sign + ", " + rewrite, "rule 1 rewrites the request after it is signed: backends refuse it"},
		"missing":         {"name: sign", "name: none", "rule 1 names Middleware \"none\", which does not exist: Traefik responds with 404, and the route's status does not report it\nrule 1 has no signing filter: its requests pass unsigned"},
		"another filter":  {"name: sign", "name: login", "rule 1 has no signing filter: its requests pass unsigned"},
		"one rule":        {"[{filters", "[{}, {filters", "rule 1 has no signing filter: its requests pass unsigned"},
		"another route":   {"name: invoices", "name: orders", "rule 1 is signed as httproute/invoices by Middleware \"sign\""},
	}, func(object *unstructured.Unstructured) []view.Fault {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		route := &gwapiv1.HTTPRoute{}
		if err := yaml.Unmarshal(text, route); err != nil {
			t.Fatal(err)
		}
		return view.CheckRoute(route, known)
	})
}
