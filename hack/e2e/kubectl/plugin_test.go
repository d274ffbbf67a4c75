// SPDX-License-Identifier: Apache-2.0

package kubectl

import (
	"regexp"
	"strings"
	"testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func TestPlugin(t *testing.T) {
	w := newFixture(t)
	w.openShop(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"status", testStatus}, {"explain", testExplain}, {"bind", testBind}, {"verify", testVerify},
		{"doctor", testDoctor}, {"rotate", testRotate}, {"errors", testErrors},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, w) })
	}
}

// goods are keys and bindings in the states that people ask about: a conflict, a
// key that waits for its source, one with nothing to rotate.
const goods = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop, labels: {signet.dev/environment: RELEASE}}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: shop, labels: {app: orders}}
spec:
  parentRefs: [{name: edge}]
  rules: [{filters: [{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: sign-orders}}]}]
---
apiVersion: v1
kind: Secret
metadata: {name: payments-own, namespace: shop, labels: {signet.dev/signature-material: "true"}}
stringData: {key: payments_app, secret: planted-secret-0123456789abcdef}
---
apiVersion: signet.dev/v1alpha1
kind: SignatureKey
metadata: {name: orders, namespace: shop}
spec: {type: HMAC, rotation: {stageSeconds: 1, retireSeconds: 1}}
---
apiVersion: signet.dev/v1alpha1
kind: SignatureKey
metadata: {name: payments, namespace: shop}
spec: {type: HMAC, source: {secretRef: {name: payments-own}}}
---
apiVersion: signet.dev/v1alpha1
kind: SignatureKey
metadata: {name: invoices, namespace: shop}
spec: {type: HMAC, source: {secretRef: {name: invoices-own}}}
---
apiVersion: signet.dev/v1alpha1
kind: SignatureBinding
metadata: {name: orders, namespace: shop}
spec:
  keyRef: {name: orders}
  environment: RELEASE
  apis: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: orders}, {group: signet.dev, kind: API, name: legacy}]
  payload: Signed
  signatureHeader: X-Signature
---
apiVersion: signet.dev/v1alpha1
kind: SignatureBinding
metadata: {name: invoices, namespace: shop}
spec: {keyRef: {name: invoices}, environment: RELEASE, apis: [{group: signet.dev, kind: API, name: invoices}]}
`

const takeover = `
apiVersion: signet.dev/v1alpha1
kind: SignatureBinding
metadata: {name: takeover, namespace: shop}
spec: {keyRef: {name: payments}, environment: RELEASE, apis: [{group: signet.dev, kind: API, name: legacy}]}
`

// openShop makes the goods, and accepts the route as a gateway's controller does.
func (w *fixture) openShop(t *testing.T) {
	t.Helper()
	w.apply(t, goods)
	w.kubectl(t, "patch", "httproute", "orders", "-n", shop, "--subresource=status", "--type=merge", "-p", `{"status": {"parents": [{
		"parentRef": {"name": "edge"}, "controllerName": "test.dev/gateway", "conditions": [{
			"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}]}}`)
	w.await(t, &signetv1alpha1.SignatureBinding{}, "orders", signetv1alpha1.ReasonBound)
	w.apply(t, takeover)
	w.await(t, &signetv1alpha1.SignatureBinding{}, "takeover", signetv1alpha1.ReasonConflicted)
	w.await(t, &signetv1alpha1.SignatureKey{}, "payments", signetv1alpha1.ReasonReady)
	w.await(t, &signetv1alpha1.SignatureBinding{}, "invoices", signetv1alpha1.ReasonKeyNotReady)
}

var spaces = regexp.MustCompile(` {2,}`)

// expectLines looks for lines in that order, with single spaces.
func expectLines(t *testing.T, output string, lines ...string) {
	t.Helper()
	rest := spaces.ReplaceAllString(output, " ")
	for _, line := range lines {
		_, after, found := strings.Cut(rest, line+"\n")
		if !found {
			t.Fatalf("no line %q, or not in order, in\n%s", line, output)
		}
		rest = after
	}
}

func testStatus(t *testing.T, w *fixture) {
	out := w.done(t, "status", "-n", shop)
	expectLines(t, out,
		"NAME TYPE READY REASON BINDINGS SECRET ROTATION",
		"invoices HMAC Unknown SourceNotFound 1 invoices <none>",
		"orders HMAC True Ready 1 orders Settled",
		"NAME KEY ENVIRONMENT BOUND READY REASON",
		"invoices invoices RELEASE 0/1 Unknown KeyNotReady",
		"orders orders RELEASE 2/2 True Bound",
		"takeover payments RELEASE 0/1 False Conflicted",
		"ENVIRONMENT API STATE HOLDER KEY WAITING",
		"RELEASE api/invoices Pending <none> <none> invoices",
		"RELEASE api/legacy Bound orders orders takeover",
		"RELEASE httproute/orders Bound orders orders <none>",
		"signaturekey/invoices -n shop: SourceNotFound", ` Secret "invoices-own" does not exist or lacks the label signet.dev/signature-material: "true".`, " Create or label it.",
		"signaturebinding/takeover -n shop: Conflicted",
		` "orders". Delete the API from one of the two; this binding then takes over automatically.`,
	)
	if strings.Contains(out, "->") {
		t.Errorf("the action is printed twice:\n%s", out)
	}
	for line := range strings.Lines(out) {
		if len(line) > 110 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}

func testExplain(t *testing.T, w *fixture) {
	expectLines(t, w.done(t, "explain", "httproute/orders", "-n", shop),
		"httproute/orders in namespace shop",
		"RELEASE orders orders Bound shop/edge <none>",
		" sign /sign/shop/RELEASE/HTTPRoute/orders",
		" // mount Secret orders at /etc/signet/orders",
		"To print the configuration of a gateway, add --gateway traefik|envoy-gateway|nginx|caddy")
	expectLines(t, w.done(t, "explain", "api/legacy", "-n", shop),
		"RELEASE orders orders Bound <none> takeover",
		"! RELEASE: binding \"takeover\" is Conflicted: \"orders\" holds the API (held by another binding; delete the API from one of the two)")
	expectLines(t, w.done(t, "explain", "api/invoices", "-n", shop),
		"RELEASE <none> <none> Pending <none> invoices",
		"! RELEASE: binding \"invoices\" is Pending (not held; waiting for the key)")
}

func testBind(t *testing.T, w *fixture) {
	out := w.done(t, "bind", "orders", "--env", "PREVIEW", "-l", "app=orders", "--apply", "-n", shop)
	expectLines(t, out, "signaturebinding.signet.dev/orders-preview created: key orders, environment PREVIEW, 1 API")
	// Nothing has published the route there: the binding holds it and waits.
	w.await(t, &signetv1alpha1.SignatureBinding{}, "orders-preview", signetv1alpha1.ReasonNotPublished)
	w.kubectl(t, "delete", "signaturebinding", "orders-preview", "-n", shop)
	printed := bindPrints(t, w, "bind", "orders", "--env", "PREVIEW", "--containing", "ord", "--kind", "httproute", "-n", shop)
	w.apply(t, printed)
	w.kubectl(t, "delete", "signaturebinding", "orders-preview", "-n", shop)
}

// bindPrints prints bindings that are worth a warning, and one that is not.
func bindPrints(t *testing.T, w *fixture, args ...string) string {
	t.Helper()
	for _, test := range []struct{ args, want string }{
		{"bind nokey --env PREVIEW -l app=orders",
			"Warning: spec.keyRef.name: SignatureKey \"nokey\" does not exist in this namespace, so the binding waits. Create the key or fix the name.\n"},
		{"bind payments --env RELEASE -l app=orders",
			"Warning: spec.apis[0]: HTTPRoute \"orders\" in environment \"RELEASE\" is taken by SignatureBinding \"orders\". Remove the API from one of the two bindings.\n"},
	} {
		out, problems, code := w.signet(t, append(strings.Fields(test.args), "-n", shop)...)
		if code != 0 || problems != test.want || !strings.HasPrefix(out, "apiVersion: ") {
			t.Errorf("%s: %d %q %q, want %q", test.args, code, out, problems, test.want)
		}
	}
	out, problems, code := w.signet(t, args...)
	if code != 0 || problems != "" {
		t.Fatalf("%d %s%s", code, out, problems)
	}
	return out
}
