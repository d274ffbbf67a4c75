// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// contextSlot is the context extension that names the slot over gRPC.
const contextSlot = "slot"

// CheckSecurityPolicy returns the faults of a SecurityPolicy of Envoy Gateway, and
// false if it does not call the signer.
func CheckSecurityPolicy(policy *unstructured.Unstructured, tenant *Tenant) ([]Fault, bool) {
	auth, _, _ := unstructured.NestedMap(policy.Object, "spec", "extAuth")
	if !callsSigner(auth) {
		return nil, false
	}
	c := &checker{tenant: tenant}
	if open, _, _ := unstructured.NestedBool(auth, "failOpen"); open {
		c.fail(failAction, "extAuth.failOpen is true: without the signer, requests pass unsigned")
	}
	var binding *signetv1alpha1.SignatureBinding
	if _, overHTTP := auth["http"]; overHTTP {
		binding = c.extAuthHTTP(auth)
	} else {
		binding = c.extAuthGRPC(auth)
	}
	limit, passed, _ := unstructured.NestedInt64(auth, "bodyToExtAuth", "maxRequestBytes")
	c.body("extAuth.bodyToExtAuth is missing", binding, passed && limit > 0)
	c.targets(policy, auth)
	return c.faults, true
}

// callsSigner reports whether external authorization calls the signer.
func callsSigner(auth map[string]any) bool {
	if looksLikeSigner("", pathOfExtAuth(auth)) || slotExtension(auth) != "" {
		return true
	}
	for _, name := range append(referencesOf(auth, "http"), referencesOf(auth, "grpc")...) {
		if strings.HasPrefix(name, "signet") {
			return true
		}
	}
	return false
}

// pathOfExtAuth returns the prefix that Envoy adds to the request's path.
func pathOfExtAuth(auth map[string]any) string {
	path, _, _ := unstructured.NestedString(auth, "http", "path")
	return strings.TrimSuffix(path, "/")
}

func slotExtension(auth map[string]any) string {
	extensions, _, _ := unstructured.NestedSlice(auth, "contextExtensions")
	for _, extension := range extensions {
		if fields, ok := extension.(map[string]any); ok && fields["name"] == contextSlot {
			value, _ := fields["value"].(string)
			return value
		}
	}
	return ""
}

// referencesOf returns the names of the services that a SecurityPolicy calls.
func referencesOf(auth map[string]any, protocol string) []string {
	references, _, _ := unstructured.NestedSlice(auth, protocol, "backendRefs")
	if one, found, _ := unstructured.NestedMap(auth, protocol, "backendRef"); found {
		references = append(references, one)
	}
	var names []string
	for _, reference := range references {
		if fields, ok := reference.(map[string]any); ok {
			name, _ := fields["name"].(string)
			names = append(names, name)
		}
	}
	return names
}

// BackendsOfSigner returns the names of the Backends with which a SecurityPolicy
// calls the signer.
func BackendsOfSigner(policy *unstructured.Unstructured) []string {
	auth, _, _ := unstructured.NestedMap(policy.Object, "spec", "extAuth")
	if !callsSigner(auth) {
		return nil
	}
	return append(referencesOf(auth, "http"), referencesOf(auth, "grpc")...)
}

func (c *checker) extAuthHTTP(auth map[string]any) *signetv1alpha1.SignatureBinding {
	if override, _, _ := unstructured.NestedString(auth, "http", "pathOverride"); override != "" {
		c.fail("use extAuth.http.path", "extAuth.http.pathOverride replaces the request's target, so the signer cannot sign it")
		return nil
	}
	binding := c.slot("extAuth.http.path", pathOfExtAuth(auth), endpointEnvoy)
	copied, _, _ := unstructured.NestedStringSlice(auth, "http", "headersToBackend")
	c.copies("extAuth.http.headersToBackend", binding, among(copied))
	// In addition, Envoy Gateway passes a few headers that cannot be signed.
	passed, _, _ := unstructured.NestedStringSlice(auth, "headersToExtAuth")
	c.sees("extAuth.headersToExtAuth", binding, among(passed))
	return binding
}

func (c *checker) extAuthGRPC(auth map[string]any) *signetv1alpha1.SignatureBinding {
	binding := c.slot("extAuth.contextExtensions", "/"+endpointEnvoy+"/"+slotExtension(auth), endpointEnvoy)
	if passed, _, _ := unstructured.NestedStringSlice(auth, "headersToExtAuth"); len(passed) > 0 {
		c.sees("extAuth.headersToExtAuth", binding, among(passed))
	}
	if _, passed, _ := unstructured.NestedMap(auth, "bodyToExtAuth"); passed {
		c.fail("call the signer over HTTP (extAuth.http) if bodies are signed",
			"extAuth.bodyToExtAuth with grpc passes bodies as text: the signer refuses every request with a body")
	}
	return binding
}

// targets checks that the policy applies only to the route of its slot.
func (c *checker) targets(policy *unstructured.Unstructured, auth map[string]any) {
	path := pathOfExtAuth(auth)
	if path == "" {
		path = "/" + endpointEnvoy + "/" + slotExtension(auth)
	}
	slot, ok := parseSignerPath(path)
	if !ok || slot.api.Kind == signetv1alpha1.APIKindAPI {
		return
	}
	references, _, _ := unstructured.NestedSlice(policy.Object, "spec", "targetRefs")
	if one, found, _ := unstructured.NestedMap(policy.Object, "spec", "targetRef"); found {
		references = append(references, one)
	}
	for _, reference := range references {
		fields, _ := reference.(map[string]any)
		if fields["kind"] != string(slot.api.Kind) || fields["name"] != slot.api.Name {
			c.fail("create a SecurityPolicy for each route",
				"targetRefs names %v %v, whose requests are signed as those of %s", fields["kind"], fields["name"], APIName(slot.api))
		}
	}
}

// CheckBackend returns the faults of a Backend of Envoy Gateway that is the signer.
func CheckBackend(backend *unstructured.Unstructured) []Fault {
	c := &checker{}
	tls, secured, _ := unstructured.NestedMap(backend.Object, "spec", "tls")
	if !secured {
		if !loopbackBackend(backend) {
			c.fail("set spec.tls", "spec.tls is missing: the signer accepts plaintext only on loopback")
		}
		return c.faults
	}
	if skip, _, _ := unstructured.NestedBool(tls, "insecureSkipVerify"); skip {
		c.fail("remove it and name the CA in tls.caCertificateRefs",
			"tls.insecureSkipVerify is true: any server at that address decides which requests pass")
	}
	if CallerSecretOfBackend(backend) == "" {
		c.fail("name the Secret with this namespace's certificate, from signet certs --secrets",
			"tls.clientCertificateRef is missing: the signer refuses callers without a certificate")
	}
	return c.faults
}

// CallerSecretOfBackend returns the Secret with the client certificate for a
// Backend, or "".
func CallerSecretOfBackend(backend *unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(backend.Object, "spec", "tls", "clientCertificateRef", "name")
	return name
}

func loopbackBackend(backend *unstructured.Unstructured) bool {
	endpoints, _, _ := unstructured.NestedSlice(backend.Object, "spec", "endpoints")
	for _, endpoint := range endpoints {
		fields, _ := endpoint.(map[string]any)
		address, _, _ := unstructured.NestedString(fields, "ip", "address")
		if !loopback(address) {
			return false
		}
	}
	return len(endpoints) > 0
}
