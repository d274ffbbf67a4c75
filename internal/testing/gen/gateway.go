// SPDX-License-Identifier: Apache-2.0

package gen

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// GatewayOption changes a Gateway: a GatewayFunc or an ObjectOption.
type GatewayOption interface {
	applyToGateway(*gwapiv1.Gateway)
}

// GatewayFunc is a GatewayOption.
type GatewayFunc func(*gwapiv1.Gateway)

func (f GatewayFunc) applyToGateway(gateway *gwapiv1.Gateway) { f(gateway) }

// Gateway builds a Gateway of the environment RELEASE with one HTTP listener.
func Gateway(name string, options ...GatewayOption) *gwapiv1.Gateway {
	gateway := &gwapiv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{signetv1alpha1.LabelEnvironment: Environment}},
		Spec: gwapiv1.GatewaySpec{
			GatewayClassName: "example",
			Listeners:        []gwapiv1.Listener{{Name: "http", Port: 80, Protocol: gwapiv1.HTTPProtocolType}},
		},
	}
	for _, option := range options {
		option.applyToGateway(gateway)
	}
	return gateway
}

// HTTPRouteOption changes an HTTPRoute: an HTTPRouteFunc or an ObjectOption.
type HTTPRouteOption interface {
	applyToHTTPRoute(*gwapiv1.HTTPRoute)
}

// HTTPRouteFunc is an HTTPRouteOption.
type HTTPRouteFunc func(*gwapiv1.HTTPRoute)

func (f HTTPRouteFunc) applyToHTTPRoute(route *gwapiv1.HTTPRoute) { f(route) }

// HTTPRoute builds a route without a parent.
func HTTPRoute(name string, options ...HTTPRouteOption) *gwapiv1.HTTPRoute {
	route := &gwapiv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, option := range options {
		option.applyToHTTPRoute(route)
	}
	return route
}

// WithParents adds Gateways in the namespace of the route as parents.
func WithParents(gateways ...string) HTTPRouteFunc {
	return func(route *gwapiv1.HTTPRoute) {
		for _, name := range gateways {
			route.Spec.ParentRefs = append(route.Spec.ParentRefs, gwapiv1.ParentReference{
				Kind: ptr.To[gwapiv1.Kind]("Gateway"), Name: gwapiv1.ObjectName(name),
			})
		}
	}
}

// WithParentRefs adds parents of any kind and namespace.
func WithParentRefs(parents ...gwapiv1.ParentReference) HTTPRouteFunc {
	return func(route *gwapiv1.HTTPRoute) { route.Spec.ParentRefs = append(route.Spec.ParentRefs, parents...) }
}

// Accepted is a mutation of a route's status: a controller has accepted the
// current generation for each parent.
func Accepted(route *gwapiv1.HTTPRoute) {
	route.Status.Parents = nil
	for _, parent := range route.Spec.ParentRefs {
		route.Status.Parents = append(route.Status.Parents, gwapiv1.RouteParentStatus{
			ParentRef: parent, ControllerName: "example.com/controller",
			Conditions: []metav1.Condition{{
				Type: string(gwapiv1.RouteConditionAccepted), Status: metav1.ConditionTrue, Reason: string(gwapiv1.RouteReasonAccepted),
				ObservedGeneration: route.Generation, LastTransitionTime: metav1.Now(),
			}},
		})
	}
}
