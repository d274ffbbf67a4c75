// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
	"github.com/signet-dev/signet/internal/publication"
)

// api reads an API of the namespace and its Gateways.
func (c *cluster) api(ctx context.Context, reference signetv1alpha1.APIReference) (view.API, error) {
	api := view.API{APIReference: reference, Namespace: c.namespace}
	if reference.Kind == signetv1alpha1.APIKindAPI {
		return api, nil
	}
	route, err := c.route(ctx, reference)
	switch {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		api.Missing = true
		return api, nil
	case apierrors.IsForbidden(err):
		// Bindings and keys suffice to tell which key signs.
		api.Problem = oneLine(err)
		return api, nil
	case err != nil:
		return api, fmt.Errorf("read %s %q in namespace %q: %w", reference.Kind, reference.Name, c.namespace, err)
	}
	for _, parent := range route.Parents {
		api.Gateways = append(api.Gateways, c.gateway(ctx, parent.ParentKey))
	}
	api.Unsupported = route.Unsupported
	for _, rewrite := range route.Rewrites {
		api.Rewrites = append(api.Rewrites, rewrite.String())
	}
	return api, nil
}

func (c *cluster) route(ctx context.Context, reference signetv1alpha1.APIReference) (publication.Route, error) {
	name := client.ObjectKey{Namespace: c.namespace, Name: reference.Name}
	if reference.Kind == signetv1alpha1.APIKindGRPCRoute {
		route := &gwapiv1.GRPCRoute{}
		err := c.Get(ctx, name, route)
		return publication.OfGRPCRoute(route), err
	}
	route := &gwapiv1.HTTPRoute{}
	err := c.Get(ctx, name, route)
	return publication.OfHTTPRoute(route), err
}

// gateway finds the Gateway behind a parent, which may be out of the user's
// reach: the rest of the explanation is worth having all the same.
func (c *cluster) gateway(ctx context.Context, parent publication.ParentKey) view.Gateway {
	name := types.NamespacedName{Namespace: parent.Namespace, Name: parent.Name}
	if parent.Kind == publication.KindListenerSet {
		set := &gwapiv1.ListenerSet{}
		if err := c.Get(ctx, name, set); err != nil {
			return view.Gateway{Name: "of ListenerSet " + name.String(), Problem: oneLine(err)}
		}
		gateway, found := publication.GatewayOfListenerSet(set)
		if !found {
			return view.Gateway{Name: "of ListenerSet " + name.String(), Problem: "its parent is not understood: attach the ListenerSet to a Gateway"}
		}
		name = gateway
	}
	gateway := &gwapiv1.Gateway{}
	if err := c.Get(ctx, name, gateway); err != nil {
		return view.Gateway{Name: name.String(), Problem: oneLine(err)}
	}
	return view.Gateway{Name: name.String(), Environment: gateway.Labels[signetv1alpha1.LabelEnvironment]}
}
