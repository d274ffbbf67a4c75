// SPDX-License-Identifier: Apache-2.0

package view

import (
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Middlewares of a namespace by name.
type Middlewares map[string]*unstructured.Unstructured

// CheckRoute returns the faults in how an HTTPRoute uses the Middlewares that call
// the signer.
func CheckRoute(route *gwapiv1.HTTPRoute, middlewares Middlewares) []Fault {
	c := &checker{}
	own := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, route.Name)
	for i, rule := range route.Spec.Rules {
		signed, number := false, i+1
		for _, filter := range rule.Filters {
			if filter.Type == gwapiv1.HTTPRouteFilterURLRewrite && signed {
				c.fail("move the signing filter after it", "rule %d rewrites the request after it is signed: backends refuse it", number)
			}
			if filter.ExtensionRef == nil || filter.ExtensionRef.Kind != "Middleware" {
				continue
			}
			name := string(filter.ExtensionRef.Name)
			if middlewares[name] == nil {
				c.fail("create it", "rule %d names Middleware %q, which does not exist: Traefik responds with 404, and the route's status does not report it", number, name)
				continue
			}
			slot, signs := slotOfMiddleware(middlewares[name])
			// A chain is not resolved: it may sign.
			_, chain, _ := unstructured.NestedMap(middlewares[name].Object, "spec", "chain")
			signed = signed || signs || chain
			if signs && slot.api.Kind != signetv1alpha1.APIKindAPI && slot.api != own {
				c.fail("use the route's own Middleware", "rule %d is signed as %s by Middleware %q", number, APIName(slot.api), name)
			}
		}
		if !signed && middlewares.sign(own) {
			c.fail("add the signing filter to each rule", "rule %d has no signing filter: its requests pass unsigned", number)
		}
	}
	return c.faults
}

// sign reports whether one of the Middlewares signs for the API.
func (m Middlewares) sign(api signetv1alpha1.APIReference) bool {
	for _, middleware := range m {
		if slot, signs := slotOfMiddleware(middleware); signs && slot.api == api {
			return true
		}
	}
	return false
}
