package view

import (
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Middlewares of a namespace, by name, as they are.
type Middlewares map[string]*unstructured.Unstructured

// JudgeRoute says what is wrong with how an HTTPRoute uses the Middlewares that
// call the signer.
func JudgeRoute(route *gwapiv1.HTTPRoute, middlewares Middlewares) []Fault {
	j := &judgement{}
	own := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, route.Name)
	for i, rule := range route.Spec.Rules {
		signed, number := false, i+1
		for _, filter := range rule.Filters {
			if filter.Type == gwapiv1.HTTPRouteFilterURLRewrite && signed {
				j.fail("put the filter that signs after it", "rule %d rewrites after it has signed: backends refuse", number)
			}
			if filter.ExtensionRef == nil || filter.ExtensionRef.Kind != "Middleware" {
				continue
			}
			name := string(filter.ExtensionRef.Name)
			if middlewares[name] == nil {
				j.fail("create it", "rule %d names Middleware %s, which is not there: Traefik answers 404, and the route's status does not tell", number, name)
				continue
			}
			slot, signs := slotOfMiddleware(middlewares[name])
			// What is in a chain is not followed: it may sign.
			_, chain, _ := unstructured.NestedMap(middlewares[name].Object, "spec", "chain")
			signed = signed || signs || chain
			if signs && slot.api.Kind != signetv1alpha1.APIKindAPI && slot.api != own {
				j.fail("name the route's own Middleware", "rule %d is signed as %s by Middleware %s", number, APIName(slot.api), name)
			}
		}
		if !signed && middlewares.sign(own) {
			j.fail("add the filter that signs to each rule", "rule %d has no filter that signs: its requests pass unsigned", number)
		}
	}
	return j.faults
}

// sign says whether one of the Middlewares signs for the API.
func (m Middlewares) sign(api signetv1alpha1.APIReference) bool {
	for _, middleware := range m {
		if slot, signs := slotOfMiddleware(middleware); signs && slot.api == api {
			return true
		}
	}
	return false
}
