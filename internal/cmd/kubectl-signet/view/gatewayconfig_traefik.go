package view

import (
	"net/http"
	"net/url"
	"regexp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// JudgeMiddleware says what is wrong with a Traefik Middleware; false if it does
// not call the signer.
func JudgeMiddleware(middleware *unstructured.Unstructured, tenant *Tenant) ([]Fault, bool) {
	forward, found, _ := unstructured.NestedMap(middleware.Object, "spec", "forwardAuth")
	address, _, _ := unstructured.NestedString(forward, "address")
	target, err := url.Parse(address)
	if !found || err != nil || !looksLikeSigner(target.Hostname(), target.Path) {
		return nil, false
	}
	j := &judgement{tenant: tenant}
	binding := j.slot("forwardAuth.address", target.EscapedPath(), faceSign)
	if trust, _, _ := unstructured.NestedBool(forward, "trustForwardHeader"); trust {
		j.fail("set it to false", "forwardAuth.trustForwardHeader is true: clients may choose what is signed")
	}
	copied, err := copiedByTraefik(forward)
	if err != nil {
		j.fail("mend the expression", "forwardAuth.authResponseHeadersRegex is no regular expression")
	} else {
		j.copies("forwardAuth.authResponseHeaders", binding, copied)
	}
	if handed, _, _ := unstructured.NestedStringSlice(forward, "authRequestHeaders"); len(handed) > 0 {
		j.sees("forwardAuth.authRequestHeaders", binding, among(handed))
	}
	body, _, _ := unstructured.NestedBool(forward, "forwardBody")
	j.body("forwardAuth.forwardBody is not true", binding, body)
	if limit, given, _ := unstructured.NestedInt64(forward, "maxBodySize"); body && (!given || limit < 0) {
		j.warn("set it to what the signer reads: its --max-body, 1048576",
			"forwardAuth.maxBodySize sets no limit: any client can have Traefik read a body of any size into memory")
	}
	j.traefikTLS(forward, target)
	return j.faults, true
}

// copiedByTraefik says which headers of the answer take the place of the
// client's. Traefik matches names as Go writes them: X-Sdk-Date.
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

func (j *judgement) traefikTLS(forward map[string]any, target *url.URL) {
	if target.Scheme != "https" {
		if !loopback(target.Hostname()) {
			j.fail("call it by https", "forwardAuth.address is not https: the signer serves plain text on loopback alone")
		}
		return
	}
	if skip, _, _ := unstructured.NestedBool(forward, "tls", "insecureSkipVerify"); skip {
		j.fail("leave it out, and name the authority in tls.caSecret",
			"forwardAuth.tls.insecureSkipVerify is true: whoever answers at that address decides what is let through")
	} else if authority, _, _ := unstructured.NestedString(forward, "tls", "caSecret"); authority == "" {
		j.warn("name the Secret with the ca.crt of the signer's certificate",
			"forwardAuth.tls.caSecret is missing: the signer's certificate is trusted only if the system knows its authority")
	}
	if certificate, _, _ := unstructured.NestedString(forward, "tls", "certSecret"); certificate == "" {
		j.fail("name the Secret with this namespace's certificate, from signet certs --secrets",
			"forwardAuth.tls.certSecret is missing: the signer refuses callers without a certificate")
	}
}

// CallerSecretOfMiddleware is the Secret with the certificate that a Middleware
// calls with; empty if it names none.
func CallerSecretOfMiddleware(middleware *unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(middleware.Object, "spec", "forwardAuth", "tls", "certSecret")
	return name
}

// slotOfMiddleware is the slot that a Middleware has requests signed for.
func slotOfMiddleware(middleware *unstructured.Unstructured) (signerPath, bool) {
	address, _, _ := unstructured.NestedString(middleware.Object, "spec", "forwardAuth", "address")
	target, err := url.Parse(address)
	if err != nil {
		return signerPath{}, false
	}
	slot, ok := parseSignerPath(target.EscapedPath())
	return slot, ok && slot.face == faceSign
}
