// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// The kinds that configure gateways to call the signer.
var (
	middlewares           = schema.GroupVersionKind{Group: "traefik.io", Version: "v1alpha1", Kind: "Middleware"}
	securityPolicies      = schema.GroupVersionKind{Group: "gateway.envoyproxy.io", Version: "v1alpha1", Kind: "SecurityPolicy"}
	backends              = schema.GroupVersionKind{Group: "gateway.envoyproxy.io", Version: "v1alpha1", Kind: "Backend"}
	authorizationPolicies = schema.GroupVersionKind{Group: "security.istio.io", Version: "v1", Kind: "AuthorizationPolicy"}
	envoyFilters          = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1alpha3", Kind: "EnvoyFilter"}
)

// istioNamespace is the namespace of Istio's mesh configuration.
const istioNamespace = "istio-system"

const wellSet = "calls the signer, no unsafe setting found"

// gatewaySettings looks for settings with which a gateway lets requests pass
// unsigned or lets clients choose what is signed. It sees settings that are
// objects of the namespace.
func (d *doctor) gatewaySettings(ctx context.Context) []view.Finding {
	tenant, err := d.tenant(ctx)
	if err != nil {
		return []view.Finding{failure("gateway settings", err, "")}
	}
	findings := d.traefik(ctx, tenant)
	findings = append(findings, d.envoyGateway(ctx, tenant)...)
	return append(findings, d.istio(ctx, tenant)...)
}

// objects lists objects of a kind that may not be installed.
func (d *doctor) objects(ctx context.Context, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, []view.Finding) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	err := d.List(ctx, list, client.InNamespace(namespace))
	if err != nil && !meta.IsNoMatchError(err) {
		return nil, []view.Finding{failure(plural(kind.Kind)+" in namespace "+namespace, err, "")}
	}
	return list.Items, nil
}

func plural(kind string) string {
	if stem, ends := strings.CutSuffix(kind, "y"); ends {
		return stem + "ies"
	}
	return kind + "s"
}

// findingsOf is what was found of an object: its faults, or that there are none.
func findingsOf(check string, faults []view.Fault) []view.Finding {
	if len(faults) == 0 {
		return []view.Finding{fine(check, wellSet)}
	}
	var findings []view.Finding
	for _, fault := range faults {
		findings = append(findings, found(check, fault.Result, fault.Message, fault.Action))
	}
	return findings
}

func (d *doctor) traefik(ctx context.Context, tenant *view.Tenant) []view.Finding {
	items, findings := d.objects(ctx, middlewares, d.namespace)
	known := view.Middlewares{}
	for i := range items {
		name := items[i].GetName()
		known[name] = &items[i]
		faults, signs := view.CheckMiddleware(&items[i], tenant)
		if !signs {
			continue
		}
		findings = append(findings, findingsOf("Middleware "+name, faults)...)
		if secret := view.CallerSecretOfMiddleware(&items[i]); secret != "" {
			d.callers = append(d.callers, secret)
		}
	}
	if len(known) == 0 {
		return findings
	}
	var routes gwapiv1.HTTPRouteList
	if err := d.List(ctx, &routes, client.InNamespace(d.namespace)); err != nil {
		if !meta.IsNoMatchError(err) {
			findings = append(findings, failure("HTTPRoutes in namespace "+d.namespace, err, ""))
		}
		return findings
	}
	for i := range routes.Items {
		if faults := view.CheckRoute(&routes.Items[i], known); len(faults) > 0 {
			findings = append(findings, findingsOf("HTTPRoute "+routes.Items[i].Name, faults)...)
		}
	}
	return findings
}

func (d *doctor) envoyGateway(ctx context.Context, tenant *view.Tenant) []view.Finding {
	policies, findings := d.objects(ctx, securityPolicies, d.namespace)
	asked := map[string]bool{}
	for i := range policies {
		faults, signs := view.CheckSecurityPolicy(&policies[i], tenant)
		if !signs {
			continue
		}
		findings = append(findings, findingsOf("SecurityPolicy "+policies[i].GetName(), faults)...)
		for _, name := range view.BackendsOfSigner(&policies[i]) {
			asked[name] = true
		}
	}
	if len(asked) == 0 {
		return findings
	}
	known, problems := d.objects(ctx, backends, d.namespace)
	findings = append(findings, problems...)
	for i := range known {
		if !asked[known[i].GetName()] {
			continue
		}
		findings = append(findings, findingsOf("Backend "+known[i].GetName(), view.CheckBackend(&known[i]))...)
		if secret := view.CallerSecretOfBackend(&known[i]); secret != "" {
			d.callers = append(d.callers, secret)
		}
	}
	return findings
}

func (d *doctor) istio(ctx context.Context, tenant *view.Tenant) []view.Finding {
	if _, err := d.RESTMapper().RESTMapping(authorizationPolicies.GroupKind(), authorizationPolicies.Version); err != nil {
		return nil
	}
	providers, findings := d.providers(ctx, tenant)
	policies, problems := d.objects(ctx, authorizationPolicies, d.namespace)
	findings = append(findings, problems...)
	for i := range policies {
		if faults, signs := view.CheckAuthorizationPolicy(&policies[i], providers); signs {
			findings = append(findings, findingsOf("AuthorizationPolicy "+policies[i].GetName(), faults)...)
		}
	}
	// EnvoyFilters in Istio's own namespace apply everywhere.
	for _, namespace := range []string{d.namespace, istioNamespace} {
		filters, problems := d.objects(ctx, envoyFilters, namespace)
		findings = append(findings, problems...)
		for i := range filters {
			if faults, signs := view.CheckEnvoyFilter(&filters[i]); signs {
				findings = append(findings, findingsOf("EnvoyFilter "+filters[i].GetName(), faults)...)
			}
		}
	}
	return findings
}

// providers reads the mesh configurations: each revision of Istio has one.
func (d *doctor) providers(ctx context.Context, tenant *view.Tenant) ([]view.Provider, []view.Finding) {
	var list corev1.ConfigMapList
	if err := d.List(ctx, &list, client.InNamespace(istioNamespace)); err != nil {
		return nil, []view.Finding{failure("Istio extension providers", err, "")}
	}
	var (
		providers []view.Provider
		findings  []view.Finding
	)
	for i := range list.Items {
		text, found := list.Items[i].Data["mesh"]
		if !found {
			continue
		}
		var mesh map[string]any
		if err := yaml.Unmarshal([]byte(text), &mesh); err != nil {
			findings = append(findings, failure("ConfigMap "+list.Items[i].Name, err, "fix its mesh configuration"))
			continue
		}
		for _, provider := range view.SignerProviders(mesh, tenant) {
			providers = append(providers, provider)
			findings = append(findings, findingsOf("Istio extension provider "+provider.Name, provider.Faults)...)
		}
	}
	return providers, findings
}
