// SPDX-License-Identifier: Apache-2.0

package kubectl

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/pki"
)

const istio = `
apiVersion: v1
kind: Namespace
metadata: {name: istio-system}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    extensionProviders:
    - name: signet
      envoyExtAuthzHttp:
        service: signet-signer.signet-system.svc.cluster.local
        port: 8444
        failOpen: false
        pathPrefix: /envoy/shop/RELEASE/API/legacy
        headersToUpstreamOnAllow: [x-signature, x-sdk-*]
        includeRequestBodyInCheck: {maxRequestBytes: 1048576, allowPartialMessage: false}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: sign-legacy, namespace: shop}
spec: {action: CUSTOM, provider: {name: signet}, rules: [{}]}
`

// configureGateways applies what explain prints for gateways that are configured
// by objects. Istio's is written here.
func (w *fixture) configureGateways(t *testing.T) {
	t.Helper()
	for _, gateway := range []string{"traefik", "envoy-gateway"} {
		w.apply(t, w.done(t, "explain", "httproute/orders", "--gateway", gateway, "-n", shop))
	}
	w.apply(t, istio)
}

// The actions that faults share, and the kinds in which they occur.
const (
	copyAll          = " -> make the gateway copy all three headers of the signer's response"
	disable          = " -> disable it: requests must not pass unsigned"
	middlewares      = "middlewares.traefik.io"
	securityPolicies = "securitypolicies.gateway.envoyproxy.io"
	backends         = "backends.gateway.envoyproxy.io"
)

// patch changes an object of the shop.
func (w *fixture) patch(kind, name, change string) func(*testing.T) {
	return func(t *testing.T) { w.kubectl(t, "patch", kind, name, "-n", shop, "--type=merge", "-p", change) }
}

// mesh applies Istio's objects with one thing in another way.
func (w *fixture) mesh(from, to string) func(*testing.T) {
	return func(t *testing.T) {
		if !strings.Contains(istio, from) {
			t.Fatalf("there is no %q", from)
		}
		w.apply(t, strings.Replace(istio, from, to, 1))
	}
}

func (w *fixture) faultsOfRoutes() []fault {
	return []fault{
		{"Middleware that trusts and copies too little",
			w.patch(middlewares, "sign-orders", `{"spec": {"forwardAuth": {"trustForwardHeader": true, "authResponseHeaders": ["Authorization", "X-Sdk-Content-Sha256"], "forwardBody": false}}}`),
			w.printed("traefik"), []string{
				"failed Middleware sign-orders: forwardAuth.trustForwardHeader is true: clients can choose what is signed -> set it to false",
				"failed Middleware sign-orders: forwardAuth.authResponseHeaders lacks X-Signature, which carries the signature: requests pass unsigned, with the client's own X-Signature" + copyAll,
				"failed Middleware sign-orders: forwardAuth.authResponseHeaders lacks X-Sdk-Date: the client's own value passes, and backends refuse the request" + copyAll,
				"failed Middleware sign-orders: forwardAuth.forwardBody is not true, but binding \"orders\" has payload Signed: backends refuse requests with a body -> pass the body to the signer, or set payload: Unsigned in the binding",
			}},
		{"Middleware that reaches for another namespace",
			w.patch(middlewares, "sign-orders", `{"spec": {"forwardAuth": {"address": "http://signet-signer.signet-system.svc:8443/sign/other/RELEASE/HTTPRoute/orders"}}}`),
			w.printed("traefik"), []string{
				"failed Middleware sign-orders: forwardAuth.address names an API of namespace \"other\": with this namespace's certificate the signer responds with 403, and with a broader one it signs as namespace \"other\" -> name an API of this namespace",
				"failed Middleware sign-orders: forwardAuth.address is not https: the signer accepts plaintext only on loopback -> use https",
			}},
		{"Middleware missing", func(t *testing.T) {
			w.kubectl(t, "delete", middlewares, "sign-orders", "-n", shop, "--ignore-not-found")
			w.apply(t, "apiVersion: traefik.io/v1alpha1\nkind: Middleware\nmetadata: {name: other, namespace: shop}\nspec: {stripPrefix: {prefixes: [/v1]}}\n")
		}, func(t *testing.T) {
			w.kubectl(t, "delete", middlewares, "other", "-n", shop)
			w.printed("traefik")(t)
		}, []string{
			"failed HTTPRoute orders: rule 1 names Middleware \"sign-orders\", which does not exist: Traefik responds with 404, and the route's status does not report it -> create it",
		}},
		{"SecurityPolicy that fails open",
			w.patch(securityPolicies, "sign-orders", `{"spec": {"extAuth": {"failOpen": true, "http": {"headersToBackend": ["x-sdk-date", "x-sdk-content-sha256"]}}}}`),
			w.printed("envoy-gateway"), []string{
				"failed SecurityPolicy sign-orders: extAuth.failOpen is true: without the signer, requests pass unsigned" + disable,
				"failed SecurityPolicy sign-orders: extAuth.http.headersToBackend lacks X-Signature, which carries the signature: requests pass unsigned, with the client's own X-Signature" + copyAll,
			}},
		{"Backend without certificate",
			w.patch(backends, "signet", `{"spec": {"tls": {"clientCertificateRef": null, "caCertificateRefs": null, "insecureSkipVerify": true}}}`),
			func(t *testing.T) {
				w.kubectl(t, "delete", backends, "signet", "-n", shop)
				w.printed("envoy-gateway")(t)
			}, []string{
				"failed Backend signet: tls.insecureSkipVerify is true: any server at that address decides which requests pass -> remove it and name the CA in tls.caCertificateRefs",
				"failed Backend signet: tls.clientCertificateRef is missing: the signer refuses callers without a certificate -> name the Secret with this namespace's certificate, from signet certs --secrets",
			}},
	}
}

func (w *fixture) faultsOfIstio() []fault {
	return []fault{
		{"mesh that fails open", w.mesh("failOpen: false", "failOpen: true"), w.mesh("", ""), []string{
			"failed Istio extension provider signet: envoyExtAuthzHttp.failOpen is true: without the signer, requests pass unsigned" + disable}},
		{"mesh that hands over a part", w.mesh("allowPartialMessage: false", "allowPartialMessage: true"), w.mesh("", ""), []string{
			"failed Istio extension provider signet: envoyExtAuthzHttp.includeRequestBodyInCheck.allowPartialMessage is true: the signer refuses partial bodies -> set it to false"}},
		{"AuthorizationPolicy for some requests",
			w.patch("authorizationpolicies.security.istio.io", "sign-legacy", `{"spec": {"rules": [{"to": [{"operation": {"paths": ["/v1"]}}]}]}}`), w.mesh("", ""), []string{
				"warning AuthorizationPolicy sign-legacy: spec.rules narrows what is signed: requests that no rule matches pass unsigned -> use the rule {} to sign all requests"}},
		{"EnvoyFilter that fails open", func(t *testing.T) { w.apply(t, envoyFilter) }, func(t *testing.T) {
			w.kubectl(t, "delete", "envoyfilter", "signet", "-n", "istio-system")
		}, []string{"failed EnvoyFilter signet: failure_mode_allow is true: without the signer, requests pass unsigned" + disable}},
	}
}

const envoyFilter = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: signet, namespace: istio-system}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: GATEWAY}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.ext_authz
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
          failure_mode_allow: true
          grpc_service: {envoy_grpc: {cluster_name: outbound|8445||signet-signer.signet-system.svc.cluster.local}}
`

// printed applies again what explain prints.
func (w *fixture) printed(gateway string) func(*testing.T) {
	return func(t *testing.T) {
		w.apply(t, w.done(t, "explain", "httproute/orders", "--gateway", gateway, "-n", shop))
	}
}

// issued is the tls.crt of a certificate for hosts, or for one URI of a caller,
// that is good for as long as its authority.
func issued(t *testing.T, by *pki.Authority, names ...string) []byte {
	t.Helper()
	subject := pki.Subject{Name: "test", Hosts: names}
	if uri, err := url.Parse(names[0]); err == nil && uri.Scheme != "" {
		subject = pki.Subject{Name: "test", URIs: []*url.URL{uri}}
	}
	const life = 24 * time.Hour
	certificate, err := by.Issue(subject, by.Certificate().NotAfter.Add(-life), life)
	must(t, err)
	data, err := by.EncodeIssued(certificate)
	must(t, err)
	return data["tls.crt"]
}
