package view

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// contextSlot is the context extension that names the slot over gRPC.
const contextSlot = "slot"

// JudgeSecurityPolicy says what is wrong with a SecurityPolicy of Envoy Gateway;
// false if it does not have requests signed.
func JudgeSecurityPolicy(policy *unstructured.Unstructured, tenant *Tenant) ([]Fault, bool) {
	auth, _, _ := unstructured.NestedMap(policy.Object, "spec", "extAuth")
	if !asksSigner(auth) {
		return nil, false
	}
	j := &judgement{tenant: tenant}
	if open, _, _ := unstructured.NestedBool(auth, "failOpen"); open {
		j.fail(failAction, "extAuth.failOpen is true: without the signer, requests pass unsigned")
	}
	var binding *signetv1alpha1.SignatureBinding
	if _, overHTTP := auth["http"]; overHTTP {
		binding = j.extAuthHTTP(auth)
	} else {
		binding = j.extAuthGRPC(auth)
	}
	limit, handed, _ := unstructured.NestedInt64(auth, "bodyToExtAuth", "maxRequestBytes")
	j.body("extAuth.bodyToExtAuth is missing", binding, handed && limit > 0)
	j.targets(policy, auth)
	return j.faults, true
}

// asksSigner says whether external authorization is by the signer.
func asksSigner(auth map[string]any) bool {
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

// pathOfExtAuth is the path that Envoy puts before the request's own.
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

// referencesOf are the names of what a SecurityPolicy asks.
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

// BackendsOfSigner are the names of the Backends that a SecurityPolicy has
// requests signed by.
func BackendsOfSigner(policy *unstructured.Unstructured) []string {
	auth, _, _ := unstructured.NestedMap(policy.Object, "spec", "extAuth")
	if !asksSigner(auth) {
		return nil
	}
	return append(referencesOf(auth, "http"), referencesOf(auth, "grpc")...)
}

func (j *judgement) extAuthHTTP(auth map[string]any) *signetv1alpha1.SignatureBinding {
	if override, _, _ := unstructured.NestedString(auth, "http", "pathOverride"); override != "" {
		j.fail("give it as extAuth.http.path", "extAuth.http.pathOverride takes the place of the request's target, so that the signer cannot sign it")
		return nil
	}
	binding := j.slot("extAuth.http.path", pathOfExtAuth(auth), faceEnvoy)
	copied, _, _ := unstructured.NestedStringSlice(auth, "http", "headersToBackend")
	j.copies("extAuth.http.headersToBackend", binding, among(copied))
	// Beside these, Envoy Gateway hands over a few headers that cannot be signed.
	handed, _, _ := unstructured.NestedStringSlice(auth, "headersToExtAuth")
	j.sees("extAuth.headersToExtAuth", binding, among(handed))
	return binding
}

func (j *judgement) extAuthGRPC(auth map[string]any) *signetv1alpha1.SignatureBinding {
	binding := j.slot("extAuth.contextExtensions", "/"+faceEnvoy+"/"+slotExtension(auth), faceEnvoy)
	if handed, _, _ := unstructured.NestedStringSlice(auth, "headersToExtAuth"); len(handed) > 0 {
		j.sees("extAuth.headersToExtAuth", binding, among(handed))
	}
	if _, handed, _ := unstructured.NestedMap(auth, "bodyToExtAuth"); handed {
		j.fail("ask the signer over HTTP (extAuth.http) where bodies are signed",
			"extAuth.bodyToExtAuth with grpc hands bodies over as text: the signer refuses every request with a body")
	}
	return binding
}

// targets judges whether the policy stands for the route of its slot alone.
func (j *judgement) targets(policy *unstructured.Unstructured, auth map[string]any) {
	path := pathOfExtAuth(auth)
	if path == "" {
		path = "/" + faceEnvoy + "/" + slotExtension(auth)
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
			j.fail("have a SecurityPolicy for each route",
				"targetRefs names %v %v, whose requests are signed as those of %s", fields["kind"], fields["name"], APIName(slot.api))
		}
	}
}

// JudgeBackend says what is wrong with a Backend of Envoy Gateway that is the
// signer.
func JudgeBackend(backend *unstructured.Unstructured) []Fault {
	j := &judgement{}
	tls, secured, _ := unstructured.NestedMap(backend.Object, "spec", "tls")
	if !secured {
		if !loopbackBackend(backend) {
			j.fail("set spec.tls", "spec.tls is missing: the signer serves plain text on loopback alone")
		}
		return j.faults
	}
	if skip, _, _ := unstructured.NestedBool(tls, "insecureSkipVerify"); skip {
		j.fail("leave it out, and name the authority in tls.caCertificateRefs",
			"tls.insecureSkipVerify is true: whoever answers at that address decides what is let through")
	}
	if CallerSecretOfBackend(backend) == "" {
		j.fail("name the Secret with this namespace's certificate, from signet certs --secrets",
			"tls.clientCertificateRef is missing: the signer refuses callers without a certificate")
	}
	return j.faults
}

// CallerSecretOfBackend is the Secret with the certificate that Envoy calls a
// Backend with; empty if it names none.
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
