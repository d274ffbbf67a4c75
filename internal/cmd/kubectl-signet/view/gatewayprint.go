// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// The gateways whose configuration can be printed.
const (
	GatewayTraefik      = "traefik"
	GatewayEnvoyGateway = "envoy-gateway"
	GatewayNginx        = "nginx"
	GatewayCaddy        = "caddy"
)

// Gateways are the names that the command accepts.
var Gateways = []string{GatewayTraefik, GatewayEnvoyGateway, GatewayNginx, GatewayCaddy}

// The files of config/gateways are the same for one API. They run in the tests,
// and a test compares them.
//
//go:embed gateways/*.tmpl
var gatewayFiles embed.FS

var gatewayTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":     func(names []string) string { return strings.Join(names, ", ") },
	"lower":    strings.ToLower,
	"variable": func(header string) string { return strings.ReplaceAll(strings.ToLower(header), "-", "_") },
}).ParseFS(gatewayFiles, "gateways/*.tmpl"))

// gatewayAPI is what a gateway's configuration contains about an API.
type gatewayAPI struct {
	API, Namespace, Environment, Kind string
	// Name of the object that calls the signer, and Upstream a placeholder for the
	// backend, which only the user knows.
	Name, Upstream string
	// Route is empty for an API of kind API.
	Route string
	// Signer is the host name of the signer.
	Signer string
	// Slot is the end of the signer's paths.
	Slot         string
	Header, Host string
	// Copied are the headers of the signer's response that replace the client's.
	Copied        []string
	Signed        bool
	SignedHeaders []string
}

// GatewayConfig returns the configuration with which a gateway has an API signed
// in an environment, ready to paste. The environment may be empty if bindings list
// the API in only one.
func GatewayConfig(gateway string, api API, environment string, bindings []signetv1alpha1.SignatureBinding, system string) (string, error) {
	if api.Kind == signetv1alpha1.APIKindGRPCRoute && (gateway == GatewayNginx || gateway == GatewayCaddy) {
		return "", fmt.Errorf("the configuration of %s supports only HTTP: for a GRPCRoute use --gateway %s or %s", gateway, GatewayTraefik, GatewayEnvoyGateway)
	}
	environments, err := chosen(&api, environment, bindings)
	switch {
	case err != nil:
		return "", err
	case len(environments) > 1:
		// Each configuration covers the whole route, or uses a unique name.
		return "", fmt.Errorf("the API is in the environments %s: --env is required", strings.Join(environments, ", "))
	}
	slot := signerPath{endpoint: endpointSign, namespace: api.Namespace, environment: environments[0], api: api.APIReference}
	tenant := &Tenant{Namespace: api.Namespace, Bindings: bindings}
	shown := shownAPI(slot, tenant.binding(slot), system)
	if len(environmentsOf(api.APIReference, bindings)) > 1 {
		shown.Name += "-" + nameOf(environments[0])
	}
	var text strings.Builder
	if err := gatewayTemplates.ExecuteTemplate(&text, gateway+".tmpl", shown); err != nil {
		return "", fmt.Errorf("render configuration of %s: %w", gateway, err)
	}
	if gateway == GatewayNginx && shown.Signed {
		script, err := renderScript(shown)
		if err != nil {
			return "", err
		}
		text.WriteString("\n# /etc/nginx/signet/signet.js:\n#\n" + commentOut(script))
	}
	return text.String(), nil
}

// NginxScript returns signet.js for bindings with the header.
func NginxScript(header string) (string, error) {
	return renderScript(gatewayAPI{Copied: copiedHeaders(header)})
}

func renderScript(shown gatewayAPI) (string, error) {
	var text strings.Builder
	if err := gatewayTemplates.ExecuteTemplate(&text, "signet.js.tmpl", shown); err != nil {
		return "", fmt.Errorf("render signet.js: %w", err)
	}
	return text.String(), nil
}

// commentOut puts # before each line.
func commentOut(text string) string {
	var commented strings.Builder
	for line := range strings.Lines(text) {
		commented.WriteString("#" + strings.TrimRight(" "+line, " \n") + "\n")
	}
	return commented.String()
}

// chosen returns the environments in which bindings list the API: all, or the
// wanted one.
func chosen(api *API, wanted string, bindings []signetv1alpha1.SignatureBinding) ([]string, error) {
	environments := environmentsOf(api.APIReference, bindings)
	switch {
	case len(environments) == 0:
		return nil, fmt.Errorf("no SignatureBinding in namespace %q lists %s: create one, for example with kubectl signet bind",
			api.Namespace, APIName(api.APIReference))
	case wanted == "":
		return environments, nil
	case !slices.Contains(environments, wanted):
		return nil, fmt.Errorf("the API is not in environment %q: --env must be one of %s", wanted, strings.Join(environments, ", "))
	}
	return []string{wanted}, nil
}

func shownAPI(slot signerPath, binding *signetv1alpha1.SignatureBinding, system string) gatewayAPI {
	shown := gatewayAPI{
		API: APIName(slot.api), Namespace: slot.namespace, Environment: slot.environment, Kind: string(slot.api.Kind),
		Name: "sign-" + nameOf(slot.api.Name), Upstream: nameOf(slot.api.Name),
		Signer: signerName + "." + system + ".svc",
		Slot:   strings.Join([]string{slot.namespace, slot.environment, string(slot.api.Kind), slot.api.Name}, "/"),
		Header: headerOf(binding), Copied: copiedHeaders(headerOf(binding)),
	}
	if slot.api.Kind != signetv1alpha1.APIKindAPI {
		shown.Route = slot.api.Name
	}
	if binding != nil {
		shown.Host, shown.Signed = binding.Spec.BackendHost, binding.EffectivePayload() == signetv1alpha1.PayloadSigned
		shown.SignedHeaders = slices.Sorted(slices.Values(binding.Spec.SignedHeaders))
	}
	return shown
}

// nameOf derives an object name from the name of an API or an environment.
func nameOf(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(text))
	return cmp.Or(strings.Trim(name, "-"), "api")
}
