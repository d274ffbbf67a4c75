// SPDX-License-Identifier: Apache-2.0

package view

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Provider is an extension provider in Istio's mesh configuration that calls the
// signer.
type Provider struct {
	Name   string
	Faults []Fault
}

// SignerProviders returns the extension providers that call the signer, with their
// faults. Those for another namespace are checked without its bindings.
func SignerProviders(mesh map[string]any, tenant *Tenant) []Provider {
	var found []Provider
	listed, _, _ := unstructured.NestedSlice(mesh, "extensionProviders")
	for _, entry := range listed {
		provider, _ := entry.(map[string]any)
		name, _ := provider["name"].(string)
		for _, kind := range []string{"envoyExtAuthzHttp", "envoyExtAuthzGrpc"} {
			settings, given := provider[kind].(map[string]any)
			if !given || !isSignerService(settings) {
				continue
			}
			c := &checker{tenant: tenant}
			c.provider(kind, settings)
			found = append(found, Provider{Name: name, Faults: c.faults})
		}
	}
	return found
}

// isSignerService checks the service, which may have a namespace as prefix.
func isSignerService(settings map[string]any) bool {
	service, _ := settings["service"].(string)
	prefix, _ := settings["pathPrefix"].(string)
	return looksLikeSigner(service[strings.LastIndex(service, "/")+1:], prefix)
}

func (c *checker) provider(kind string, settings map[string]any) {
	if open, _ := settings["failOpen"].(bool); open {
		c.fail(failAction, "%s.failOpen is true: without the signer, requests pass unsigned", kind)
	}
	body, hasBody := settings["includeRequestBodyInCheck"].(map[string]any)
	if part, _ := body["allowPartialMessage"].(bool); part {
		c.fail("set it to false", "%s.includeRequestBodyInCheck.allowPartialMessage is true: the signer refuses partial bodies", kind)
	}
	if kind == "envoyExtAuthzGrpc" {
		if whole, _ := body["packAsBytes"].(bool); hasBody && !whole {
			c.fail("set it to true", "%s.includeRequestBodyInCheck.packAsBytes is not true: the signer refuses bodies as text", kind)
		}
		return
	}
	prefix, _ := settings["pathPrefix"].(string)
	prefix = strings.TrimSuffix(prefix, "/")
	var binding *signetv1alpha1.SignatureBinding
	if slot, ok := parseSignerPath(prefix); !ok || slot.endpoint != endpointEnvoy || slot.namespace == c.tenant.Namespace {
		binding = c.slot(kind+".pathPrefix", prefix, endpointEnvoy)
	}
	c.copies(kind+".headersToUpstreamOnAllow", binding, matching(settings["headersToUpstreamOnAllow"]))
	c.sees(kind+".includeRequestHeadersInCheck", binding, matching(settings["includeRequestHeadersInCheck"]))
	c.body(kind+".includeRequestBodyInCheck is missing", binding, hasBody)
}

// matching reports whether a name matches a pattern of Istio: abc, abc* or *abc.
func matching(list any) func(string) bool {
	patterns, _ := list.([]any)
	return func(name string) bool {
		name = strings.ToLower(name)
		return slices.ContainsFunc(patterns, func(pattern any) bool {
			text, _ := pattern.(string)
			text = strings.ToLower(text)
			prefix, begins := strings.CutSuffix(text, "*")
			suffix, ends := strings.CutPrefix(text, "*")
			return name == text || begins && strings.HasPrefix(name, prefix) || ends && strings.HasSuffix(name, suffix)
		})
	}
}

// CheckAuthorizationPolicy returns the faults of an AuthorizationPolicy of Istio,
// and false if it does not use one of the providers.
func CheckAuthorizationPolicy(policy *unstructured.Unstructured, providers []Provider) ([]Fault, bool) {
	action, _, _ := unstructured.NestedString(policy.Object, "spec", "action")
	name, _, _ := unstructured.NestedString(policy.Object, "spec", "provider", "name")
	signs := slices.ContainsFunc(providers, func(p Provider) bool { return p.Name == name })
	if action != "CUSTOM" || !signs {
		return nil, false
	}
	c := &checker{}
	rules, _, _ := unstructured.NestedSlice(policy.Object, "spec", "rules")
	everything := slices.ContainsFunc(rules, func(rule any) bool {
		conditions, _ := rule.(map[string]any)
		return len(conditions) == 0
	})
	switch {
	case len(rules) == 0:
		c.fail("add the rule {}", "spec.rules is empty: it matches no request, so all pass unsigned")
	case !everything:
		c.warn("use the rule {} to sign all requests", "spec.rules narrows what is signed: requests that no rule matches pass unsigned")
	}
	return c.faults, true
}

// CheckEnvoyFilter returns the faults of the filter ext_authz in an EnvoyFilter of
// Istio, and false if none calls the signer.
func CheckEnvoyFilter(filter *unstructured.Unstructured) ([]Fault, bool) {
	text, err := json.Marshal(filter.Object["spec"])
	if err != nil || !strings.Contains(string(text), "ext_authz") || !strings.Contains(string(text), signerName) {
		return nil, false
	}
	c := &checker{}
	c.extAuthz(filter.Object["spec"])
	return c.faults, true
}

// extAuthz looks for settings at any depth: the position of the filter in a patch
// depends on what is patched.
func (c *checker) extAuthz(value any) {
	switch value := value.(type) {
	case []any:
		for _, entry := range value {
			c.extAuthz(entry)
		}
	case map[string]any:
		if set(value, "failure_mode_allow", "failureModeAllow") {
			c.fail(failAction, "failure_mode_allow is true: without the signer, requests pass unsigned")
		}
		if set(value, "allow_partial_message", "allowPartialMessage") {
			c.fail("set it to false", "allow_partial_message is true: the signer refuses partial bodies")
		}
		for _, entry := range value {
			c.extAuthz(entry)
		}
	}
}

// set reports whether a field is true under one of its two names.
func set(fields map[string]any, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return fields[name] == true })
}
