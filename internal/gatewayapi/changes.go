// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
)

// eventHandler turns changes of records into notifications about routes. A change
// that affects no state of a route ends here. The initial objects of a watch cause
// one notification together, when the watch has synced (awaitSync).
func (o *Observer) eventHandler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(added any, isInInitialList bool) {
			if !isInInitialList {
				o.recordChanged(nil, added)
			}
		},
		UpdateFunc: o.recordChanged,
		DeleteFunc: func(deleted any) {
			if tombstone, ok := deleted.(toolscache.DeletedFinalStateUnknown); ok {
				deleted = tombstone.Obj
			}
			o.recordChanged(nil, deleted)
		},
	}
}

// recordChanged notifies the subscribers of the routes that a change concerns.
// before is nil for a record that was added or deleted.
func (o *Observer) recordChanged(before, record any) {
	switch now := record.(type) {
	case *routeRecord:
		if was, ok := before.(*routeRecord); !ok || !was.route.Equal(now.route) {
			o.notify(now.ref())
		}
	case *gatewayRecord:
		if was, _ := before.(*gatewayRecord); environmentOfRecord(was) != now.environment {
			o.gatewayChanged(types.NamespacedName{Namespace: now.Namespace, Name: now.Name})
		}
	case *listenerSetRecord:
		if was, ok := before.(*listenerSetRecord); !ok || was.gateway != now.gateway {
			o.parentChanged(publication.ParentKey{
				Kind: publication.KindListenerSet, Namespace: now.Namespace, Name: now.Name,
			})
		}
	}
}

// environmentOfRecord returns the environment of a Gateway. One that does not exist
// counts as one without the label.
func environmentOfRecord(record *gatewayRecord) string {
	if record == nil {
		return ""
	}
	return record.environment
}

// gatewayChanged notifies about the routes of the Gateway and of its ListenerSets.
func (o *Observer) gatewayChanged(gateway types.NamespacedName) {
	o.parentChanged(publication.ParentKey{
		Kind: publication.KindGateway, Namespace: gateway.Namespace, Name: gateway.Name,
	})
	for _, record := range o.byIndex(resourceListenerSets, indexGateway, gateway.String()) {
		if set, ok := record.(*listenerSetRecord); ok {
			o.parentChanged(publication.ParentKey{
				Kind: publication.KindListenerSet, Namespace: set.Namespace, Name: set.Name,
			})
		}
	}
}

// parentChanged notifies about the routes that the parent accepts.
func (o *Observer) parentChanged(parent publication.ParentKey) {
	for _, resource := range []string{resourceHTTPRoutes, resourceGRPCRoutes} {
		for _, record := range o.byIndex(resource, indexParent, parentIndexKey(parent)) {
			if route, ok := record.(*routeRecord); ok {
				o.notify(route.ref())
			}
		}
	}
}

// byIndex returns the records of a resource from all its watches.
func (o *Observer) byIndex(resource, index, key string) []any {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var found []any
	for _, watch := range o.resources[resource].watches {
		// The only possible error is an unknown index.
		records, _ := watch.informer.GetIndexer().ByIndex(index, key)
		found = append(found, records...)
	}
	return found
}

// notifyAll notifies that the state of all routes that depend on a resource may have
// changed: for a kind of route those in the namespace, otherwise all routes.
func (o *Observer) notifyAll(resource *observedResource, namespace string) {
	switch resource.name {
	case resourceHTTPRoutes, resourceGRPCRoutes:
		o.notify(RouteRef{Kind: signetv1alpha1.APIKind(resource.kind), Namespace: namespace})
	default:
		o.notify(RouteRef{Kind: signetv1alpha1.APIKindHTTPRoute, Namespace: metav1.NamespaceAll})
		o.notify(RouteRef{Kind: signetv1alpha1.APIKindGRPCRoute, Namespace: metav1.NamespaceAll})
	}
}

func (o *Observer) notify(ref RouteRef) {
	o.mu.RLock()
	subscribers := o.subscribers
	o.mu.RUnlock()
	for _, changed := range subscribers {
		changed(ref)
	}
}
