package view

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Provider is an extension provider of Istio's mesh configuration that is the
// signer.
type Provider struct {
	Name   string
	Faults []Fault
}

// SignerProviders are the extension providers that are the signer, and what is
// wrong with each. Those for another namespace are judged without its bindings.
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
			j := &judgement{tenant: tenant}
			j.provider(kind, settings)
			found = append(found, Provider{Name: name, Faults: j.faults})
		}
	}
	return found
}

// isSignerService reads the service, which may have a namespace before it.
func isSignerService(settings map[string]any) bool {
	service, _ := settings["service"].(string)
	prefix, _ := settings["pathPrefix"].(string)
	return looksLikeSigner(service[strings.LastIndex(service, "/")+1:], prefix)
}

func (j *judgement) provider(kind string, settings map[string]any) {
	if open, _ := settings["failOpen"].(bool); open {
		j.fail(failAction, "%s.failOpen is true: without the signer, requests pass unsigned", kind)
	}
	body, hasBody := settings["includeRequestBodyInCheck"].(map[string]any)
	if part, _ := body["allowPartialMessage"].(bool); part {
		j.fail("set it to false", "%s.includeRequestBodyInCheck.allowPartialMessage is true: the signer refuses a part of a body", kind)
	}
	if kind == "envoyExtAuthzGrpc" {
		if whole, _ := body["packAsBytes"].(bool); hasBody && !whole {
			j.fail("set it to true", "%s.includeRequestBodyInCheck.packAsBytes is not true: the signer refuses bodies that come as text", kind)
		}
		return
	}
	prefix, _ := settings["pathPrefix"].(string)
	prefix = strings.TrimSuffix(prefix, "/")
	var binding *signetv1alpha1.SignatureBinding
	if slot, ok := parseSignerPath(prefix); !ok || slot.face != faceEnvoy || slot.namespace == j.tenant.Namespace {
		binding = j.slot(kind+".pathPrefix", prefix, faceEnvoy)
	}
	j.copies(kind+".headersToUpstreamOnAllow", binding, matching(settings["headersToUpstreamOnAllow"]))
	j.sees(kind+".includeRequestHeadersInCheck", binding, matching(settings["includeRequestHeadersInCheck"]))
	j.body(kind+".includeRequestBodyInCheck is missing", binding, hasBody)
}

// matching says whether a name is among Istio's: abc, abc* or *abc.
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

// JudgeAuthorizationPolicy says what is wrong with an AuthorizationPolicy of
// Istio; false if it does not have requests signed by one of the providers.
func JudgeAuthorizationPolicy(policy *unstructured.Unstructured, providers []Provider) ([]Fault, bool) {
	action, _, _ := unstructured.NestedString(policy.Object, "spec", "action")
	name, _, _ := unstructured.NestedString(policy.Object, "spec", "provider", "name")
	signs := slices.ContainsFunc(providers, func(p Provider) bool { return p.Name == name })
	if action != "CUSTOM" || !signs {
		return nil, false
	}
	j := &judgement{}
	rules, _, _ := unstructured.NestedSlice(policy.Object, "spec", "rules")
	everything := slices.ContainsFunc(rules, func(rule any) bool {
		conditions, _ := rule.(map[string]any)
		return len(conditions) == 0
	})
	switch {
	case len(rules) == 0:
		j.fail("give it the rule {}", "spec.rules is empty: it matches no request, and all pass unsigned")
	case !everything:
		j.warn("have the rule {} if all are to be signed", "spec.rules narrows what is signed: requests that no rule matches pass unsigned")
	}
	return j.faults, true
}

// JudgeEnvoyFilter says what is wrong with the filter ext_authz in an EnvoyFilter
// of Istio; false if it has none that asks the signer.
func JudgeEnvoyFilter(filter *unstructured.Unstructured) ([]Fault, bool) {
	text, err := json.Marshal(filter.Object["spec"])
	if err != nil || !strings.Contains(string(text), "ext_authz") || !strings.Contains(string(text), signerName) {
		return nil, false
	}
	j := &judgement{}
	j.extAuthz(filter.Object["spec"])
	return j.faults, true
}

// extAuthz looks for settings at any depth: where the filter stands in a patch
// depends on what is patched.
func (j *judgement) extAuthz(value any) {
	switch value := value.(type) {
	case []any:
		for _, entry := range value {
			j.extAuthz(entry)
		}
	case map[string]any:
		if set(value, "failure_mode_allow", "failureModeAllow") {
			j.fail(failAction, "failure_mode_allow is true: without the signer, requests pass unsigned")
		}
		if set(value, "allow_partial_message", "allowPartialMessage") {
			j.fail("set it to false", "allow_partial_message is true: the signer refuses a part of a body")
		}
		for _, entry := range value {
			j.extAuthz(entry)
		}
	}
}

// set says whether a field is true under one of its two names.
func set(fields map[string]any, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return fields[name] == true })
}
