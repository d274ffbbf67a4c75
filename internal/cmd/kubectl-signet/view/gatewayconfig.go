package view

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// copied are the headers that every gateway has to copy from the signer's
// answer, beside the one that carries the signature.
var copied = []string{"X-Sdk-Date", "X-Sdk-Content-Sha256"}

// JudgeMiddleware says what is unsafe about a Traefik Middleware that calls the
// signer; none if it does not call it.
func JudgeMiddleware(middleware *unstructured.Unstructured) []string {
	address, _, _ := unstructured.NestedString(middleware.Object, "spec", "forwardAuth", "address")
	if !strings.Contains(address, "/sign/") {
		return nil
	}
	var faults []string
	if trust, _, _ := unstructured.NestedBool(middleware.Object, "spec", "forwardAuth", "trustForwardHeader"); trust {
		faults = append(faults, "trustForwardHeader is true: clients may choose what is signed")
	}
	headers, _, _ := unstructured.NestedStringSlice(middleware.Object, "spec", "forwardAuth", "authResponseHeaders")
	pattern, _, _ := unstructured.NestedString(middleware.Object, "spec", "forwardAuth", "authResponseHeadersRegex")
	for _, name := range copied {
		same := func(header string) bool { return strings.EqualFold(header, name) }
		if pattern == "" && !slices.ContainsFunc(headers, same) {
			faults = append(faults, "authResponseHeaders lacks "+name+": the client's own passes, and backends refuse")
		}
	}
	return faults
}

// JudgeSecurityPolicy says what is unsafe about a SecurityPolicy of Envoy
// Gateway with external authorization.
func JudgeSecurityPolicy(policy *unstructured.Unstructured) []string {
	if open, _, _ := unstructured.NestedBool(policy.Object, "spec", "extAuth", "failOpen"); open {
		return []string{"extAuth.failOpen is true: without the signer, requests pass unsigned"}
	}
	return nil
}
