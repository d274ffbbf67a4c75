// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const gatewayController gwapiv1.GatewayController = "example.com/demo"

// playGateway accepts the routes of the samples, as a gateway controller would.
func (d *demo) playGateway(ctx context.Context) error {
	d.screen.chapter("The role of the gateway controller")
	d.screen.say("No controller of the Gateway API runs here. Instead, the demo sets Accepted=True in the status of each route, " +
		"for each Gateway that the route names. Signet only reads this.")
	if err := d.acceptHTTPRoutes(ctx); err != nil {
		return err
	}
	if err := d.acceptGRPCRoutes(ctx); err != nil {
		return err
	}
	return d.kubectl.show(ctx, "get", "gateways", "--all-namespaces", "--label-columns", "signet.dev/environment")
}

func (d *demo) acceptHTTPRoutes(ctx context.Context) error {
	routes := &gwapiv1.HTTPRouteList{}
	if err := d.admin.List(ctx, routes, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list HTTPRoutes: %w", err)
	}
	for i := range routes.Items {
		route := &routes.Items[i]
		route.Status.Parents = accepted(route.Spec.ParentRefs, route.Generation)
		if err := d.accept(ctx, route); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) acceptGRPCRoutes(ctx context.Context) error {
	routes := &gwapiv1.GRPCRouteList{}
	if err := d.admin.List(ctx, routes, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list GRPCRoutes: %w", err)
	}
	for i := range routes.Items {
		route := &routes.Items[i]
		route.Status.Parents = accepted(route.Spec.ParentRefs, route.Generation)
		if err := d.accept(ctx, route); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) accept(ctx context.Context, route client.Object) error {
	if err := d.admin.Status().Update(ctx, route); err != nil {
		return fmt.Errorf("accept route %q: %w", route.GetName(), err)
	}
	return nil
}

func accepted(parents []gwapiv1.ParentReference, generation int64) []gwapiv1.RouteParentStatus {
	statuses := make([]gwapiv1.RouteParentStatus, 0, len(parents))
	for _, parent := range parents {
		statuses = append(statuses, gwapiv1.RouteParentStatus{
			ParentRef:      parent,
			ControllerName: gatewayController,
			Conditions: []metav1.Condition{{
				Type:               string(gwapiv1.RouteConditionAccepted),
				Status:             metav1.ConditionTrue,
				Reason:             string(gwapiv1.RouteReasonAccepted),
				Message:            "Accepted by the demo",
				ObservedGeneration: generation,
				LastTransitionTime: metav1.Now(),
			}},
		})
	}
	return statuses
}
