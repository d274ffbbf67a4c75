// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
)

// groupVersion is the observed version of the Gateway API.
var groupVersion = schema.GroupVersion{Group: gwapiv1.GroupName, Version: "v1"}

// The observed resources of gateway.networking.k8s.io/v1, by plural name.
const (
	resourceHTTPRoutes   = "httproutes"
	resourceGRPCRoutes   = "grpcroutes"
	resourceGateways     = "gateways"
	resourceListenerSets = "listenersets"
)

// kinds of the observed resources.
var kinds = map[string]string{
	resourceHTTPRoutes:   string(signetv1alpha1.APIKindHTTPRoute),
	resourceGRPCRoutes:   string(signetv1alpha1.APIKindGRPCRoute),
	resourceGateways:     publication.KindGateway,
	resourceListenerSets: publication.KindListenerSet,
}

// routeResource returns the resource of a kind of route, empty for other kinds.
func routeResource(kind signetv1alpha1.APIKind) string {
	switch kind {
	case signetv1alpha1.APIKindHTTPRoute:
		return resourceHTTPRoutes
	case signetv1alpha1.APIKindGRPCRoute:
		return resourceGRPCRoutes
	default:
		return ""
	}
}

// observedResource is one resource of the Gateway API.
type observedResource struct {
	name string
	kind string
	// namespaces that are watched, each with its own watch; one empty string means the
	// whole cluster.
	namespaces []string

	// served is Present if the cluster serves the resource. Guarded by the observer's
	// mutex.
	served publication.Presence
	// watches by namespace, while the resource is served. Guarded by the observer's
	// mutex.
	watches map[string]*resourceWatch
}

func newObservedResources(opts Options) map[string]*observedResource {
	routes, gateways := []string{metav1.NamespaceAll}, []string{metav1.NamespaceAll}
	if len(opts.Namespaces) > 0 {
		routes = sets.List(sets.New(opts.Namespaces...))
		gateways = sets.List(sets.New(opts.Namespaces...).Insert(opts.GatewayNamespaces...))
	}
	resources := map[string]*observedResource{}
	for name, kind := range kinds {
		resources[name] = &observedResource{name: name, kind: kind, namespaces: gateways, served: publication.Unknown}
	}
	resources[resourceHTTPRoutes].namespaces = routes
	resources[resourceGRPCRoutes].namespaces = routes
	return resources
}

// watchFor returns the watch that covers the namespace, or nil. The caller holds the
// mutex.
func (r *observedResource) watchFor(namespace string) *resourceWatch {
	if watch, ok := r.watches[metav1.NamespaceAll]; ok {
		return watch
	}
	return r.watches[namespace]
}

// newObject returns an object to decode into: of Gateways only the metadata.
func (r *observedResource) newObject() client.Object {
	switch r.name {
	case resourceHTTPRoutes:
		return &gwapiv1.HTTPRoute{}
	case resourceGRPCRoutes:
		return &gwapiv1.GRPCRoute{}
	case resourceListenerSets:
		return &gwapiv1.ListenerSet{}
	default:
		gateway := &metav1.PartialObjectMetadata{}
		gateway.SetGroupVersionKind(groupVersion.WithKind(publication.KindGateway))
		return gateway
	}
}

func (r *observedResource) newList() client.ObjectList {
	switch r.name {
	case resourceHTTPRoutes:
		return &gwapiv1.HTTPRouteList{}
	case resourceGRPCRoutes:
		return &gwapiv1.GRPCRouteList{}
	case resourceListenerSets:
		return &gwapiv1.ListenerSetList{}
	default:
		gateways := &metav1.PartialObjectMetadataList{}
		gateways.SetGroupVersionKind(groupVersion.WithKind(publication.KindGateway + "List"))
		return gateways
	}
}

// routeRecord is the part of a route that is kept.
type routeRecord struct {
	metav1.ObjectMeta
	kind  signetv1alpha1.APIKind
	route publication.Route
}

func (r *routeRecord) ref() RouteRef {
	return RouteRef{Kind: r.kind, Namespace: r.Namespace, Name: r.Name}
}

// gatewayRecord is the part of a Gateway that is kept: its environment.
type gatewayRecord struct {
	metav1.ObjectMeta
	environment string
}

// listenerSetRecord is the part of a ListenerSet that is kept: its Gateway, empty if
// its parent is of another kind.
type listenerSetRecord struct {
	metav1.ObjectMeta
	gateway types.NamespacedName
}

// toRecord converts a received object into the record that is kept.
func toRecord(received any) (any, error) {
	switch object := received.(type) {
	case *gwapiv1.HTTPRoute:
		return &routeRecord{identity(object), signetv1alpha1.APIKindHTTPRoute, publication.OfHTTPRoute(object)}, nil
	case *gwapiv1.GRPCRoute:
		return &routeRecord{identity(object), signetv1alpha1.APIKindGRPCRoute, publication.OfGRPCRoute(object)}, nil
	case *gwapiv1.ListenerSet:
		gateway, _ := publication.GatewayOfListenerSet(object)
		return &listenerSetRecord{identity(object), gateway}, nil
	case *metav1.PartialObjectMetadata:
		return &gatewayRecord{identity(object), object.Labels[signetv1alpha1.LabelEnvironment]}, nil
	default:
		return received, nil
	}
}

func identity(object metav1.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace:       object.GetNamespace(),
		Name:            object.GetName(),
		UID:             object.GetUID(),
		ResourceVersion: object.GetResourceVersion(),
	}
}

// Indexes of the records.
const (
	// indexParent finds routes by their parents.
	indexParent = "parent"
	// indexGateway finds ListenerSets by their Gateway.
	indexGateway = "gateway"
)

var indexers = toolscache.Indexers{
	indexParent: func(record any) ([]string, error) {
		route, ok := record.(*routeRecord)
		if !ok {
			return nil, nil
		}
		keys := make([]string, 0, len(route.route.Parents))
		for _, parent := range route.route.Parents {
			keys = append(keys, parentIndexKey(parent.ParentKey))
		}
		return keys, nil
	},
	indexGateway: func(record any) ([]string, error) {
		set, ok := record.(*listenerSetRecord)
		if !ok || set.gateway.Name == "" {
			return nil, nil
		}
		return []string{set.gateway.String()}, nil
	},
}

func parentIndexKey(parent publication.ParentKey) string {
	return parent.Kind + "/" + parent.Namespace + "/" + parent.Name
}

// newClients returns a client for the observed kinds, which makes no discovery
// requests, and a client for discovery.
func newClients(cfg *rest.Config) (client.WithWatch, rest.Interface, error) {
	types := runtime.NewScheme()
	if err := gwapiv1.Install(types); err != nil {
		return nil, nil, fmt.Errorf("register the types of the Gateway API: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, resource := range slices.Sorted(maps.Keys(kinds)) {
		version := groupVersion
		mapper.AddSpecific(version.WithKind(kinds[resource]), version.WithResource(resource),
			version.WithResource(resource), meta.RESTScopeNamespace)
	}
	cli, err := client.NewWithWatch(rest.CopyConfig(cfg), client.Options{Scheme: types, Mapper: mapper})
	if err != nil {
		return nil, nil, fmt.Errorf("create client for the Gateway API: %w", err)
	}
	discoveryConfig := rest.CopyConfig(cfg)
	discoveryConfig.APIPath = "/apis"
	discoveryConfig.GroupVersion = &groupVersion
	discoveryConfig.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	discovery, err := rest.RESTClientFor(discoveryConfig)
	if err != nil {
		return nil, nil, fmt.Errorf("create client for discovery: %w", err)
	}
	return cli, discovery, nil
}
