// SPDX-License-Identifier: Apache-2.0

package view

import (
	"net/http"
	"net/url"
	"regexp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// CheckMiddleware returns the faults of a Traefik Middleware, and false if it does
// not call the signer.
func CheckMiddleware(middleware *unstructured.Unstructured, tenant *Tenant) ([]Fault, bool) {
	forward, found, _ := unstructured.NestedMap(middleware.Object, "spec", "forwardAuth")
	address, _, _ := unstructured.NestedString(forward, "address")
	target, err := url.Parse(address)
	if !found || err != nil || !looksLikeSigner(target.Hostname(), target.Path) {
		return nil, false
	}
	c := &checker{tenant: tenant}
	binding := c.slot("forwardAuth.address", target.EscapedPath(), endpointSign)
	if trust, _, _ := unstructured.NestedBool(forward, "trustForwardHeader"); trust {
		c.fail("set it to false", "forwardAuth.trustForwardHeader is true: clients can choose what is signed")
	}
	copied, err := copiedByTraefik(forward)
	if err != nil {
		c.fail("fix the expression", "forwardAuth.authResponseHeadersRegex is not a valid regular expression")
	} else {
		c.copies("forwardAuth.authResponseHeaders", binding, copied)
	}
	if passed, _, _ := unstructured.NestedStringSlice(forward, "authRequestHeaders"); len(passed) > 0 {
		c.sees("forwardAuth.authRequestHeaders", binding, among(passed))
	}
	body, _, _ := unstructured.NestedBool(forward, "forwardBody")
	c.body("forwardAuth.forwardBody is not true", binding, body)
	if limit, given, _ := unstructured.NestedInt64(forward, "maxBodySize"); body && (!given || limit < 0) {
		c.warn("set it to the signer's --max-body (default: 1048576)",
			"forwardAuth.maxBodySize sets no limit: any client can make Traefik read a body of any size into memory")
	}
	c.traefikTLS(forward, target)
	return c.faults, true
}

// copiedByTraefik reports which headers of the response replace those of the
// client. Traefik matches canonical names: X-Sdk-Date.
func copiedByTraefik(forward map[string]any) (func(string) bool, error) {
	names, _, _ := unstructured.NestedStringSlice(forward, "authResponseHeaders")
	pattern, _, _ := unstructured.NestedString(forward, "authResponseHeadersRegex")
	listed := among(names)
	if pattern == "" {
		return listed, nil
	}
	matching, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return func(name string) bool { return listed(name) || matching.MatchString(http.CanonicalHeaderKey(name)) }, nil
}

func (c *checker) traefikTLS(forward map[string]any, target *url.URL) {
	if target.Scheme != "https" {
		if !loopback(target.Hostname()) {
			c.fail("use https", "forwardAuth.address is not https: the signer accepts plaintext only on loopback")
		}
		return
	}
	if skip, _, _ := unstructured.NestedBool(forward, "tls", "insecureSkipVerify"); skip {
		c.fail("remove it and name the CA in tls.caSecret",
			"forwardAuth.tls.insecureSkipVerify is true: any server at that address decides which requests pass")
	} else if authority, _, _ := unstructured.NestedString(forward, "tls", "caSecret"); authority == "" {
		c.warn("name the Secret with the ca.crt of the signer's certificate",
			"forwardAuth.tls.caSecret is missing: the signer's certificate is trusted only if the system knows its CA")
	}
	if certificate, _, _ := unstructured.NestedString(forward, "tls", "certSecret"); certificate == "" {
		c.fail("name the Secret with this namespace's certificate, from signet certs --secrets",
			"forwardAuth.tls.certSecret is missing: the signer refuses callers without a certificate")
	}
}

// CallerSecretOfMiddleware returns the Secret with the client certificate of a
// Middleware, or "".
func CallerSecretOfMiddleware(middleware *unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(middleware.Object, "spec", "forwardAuth", "tls", "certSecret")
	return name
}

// slotOfMiddleware returns the slot that a Middleware signs for.
func slotOfMiddleware(middleware *unstructured.Unstructured) (signerPath, bool) {
	address, _, _ := unstructured.NestedString(middleware.Object, "spec", "forwardAuth", "address")
	target, err := url.Parse(address)
	if err != nil {
		return signerPath{}, false
	}
	slot, ok := parseSignerPath(target.EscapedPath())
	return slot, ok && slot.endpoint == endpointSign
}
