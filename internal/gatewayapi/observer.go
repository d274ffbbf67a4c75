// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
)

// defaultDiscoveryInterval is the time between two discoveries of the kinds of the
// Gateway API that the cluster serves.
const defaultDiscoveryInterval = 10 * time.Second

// Options configures an Observer. The zero value observes the whole cluster.
type Options struct {
	// Namespaces whose routes are observed. Defaults to all.
	Namespaces []string
	// GatewayNamespaces are the namespaces whose Gateways and ListenerSets are observed
	// in addition to those in Namespaces. Ignored if Namespaces is empty.
	GatewayNamespaces []string
	// DiscoveryInterval is the time between two discoveries of the served kinds.
	// Defaults to 10 s.
	DiscoveryInterval time.Duration
	// Logger defaults to the logger of controller-runtime, named gateway-observer.
	Logger logr.Logger
}

// RouteRef names a route whose publication or rewrites may have changed. An empty
// Name means all routes of the Kind in the Namespace, and an empty Namespace with it
// all namespaces. That includes routes that do not exist, or no longer exist.
type RouteRef struct {
	Kind      signetv1alpha1.APIKind
	Namespace string
	Name      string
}

// Observer follows the routes, Gateways and ListenerSets of a cluster, and answers
// queries from memory. The Gateway API does not have to be installed: the observer
// notices when each of its kinds is installed or removed.
//
// It keeps only the parts of an object that publication depends on. An object that
// cannot be read (discovery fails, a list is forbidden, or its namespace is not
// observed) is unknown, not absent: the last state of a route then stands.
type Observer struct {
	client    client.WithWatch
	discovery rest.Interface
	interval  time.Duration
	log       logr.Logger
	// resources by plural name; the map does not change after construction.
	resources map[string]*observedResource
	// wake ends the current pause of run early.
	wake chan struct{}
	// synced is closed when the first discovery has succeeded, and each watch that it
	// started has synced or failed.
	synced chan struct{}

	// mu guards the fields below, and the fields of resources that say so.
	mu          sync.RWMutex
	started     bool
	discoverErr string
	subscribers []func(RouteRef)
}

// New returns an observer. It observes nothing until it is started.
func New(cfg *rest.Config, opts Options) (*Observer, error) {
	cli, discovery, err := newClients(cfg)
	if err != nil {
		return nil, err
	}
	observer := &Observer{
		client:    cli,
		discovery: discovery,
		interval:  opts.DiscoveryInterval,
		log:       opts.Logger,
		resources: newObservedResources(opts),
		wake:      make(chan struct{}, 1),
		synced:    make(chan struct{}),
	}
	if observer.interval <= 0 {
		observer.interval = defaultDiscoveryInterval
	}
	if observer.log.GetSink() == nil {
		observer.log = ctrl.Log.WithName("gateway-observer")
	}
	return observer, nil
}

// NeedLeaderElection returns false: the observer runs in every replica, like the
// manager's caches, so that a new leader does not have to list all routes first.
func (o *Observer) NeedLeaderElection() bool { return false }

// Start observes until the context ends. It must not be called twice.
func (o *Observer) Start(ctx context.Context) error {
	o.mu.Lock()
	if o.started {
		o.mu.Unlock()
		return errors.New("gateway observer is already started")
	}
	o.started = true
	o.mu.Unlock()
	o.run(ctx)
	return nil
}

// WaitForSync returns when the first queries can be answered: the served kinds are
// known, and their objects have been read or cannot be read. Before that, the last
// state of every route stands.
func (o *Observer) WaitForSync(ctx context.Context) error {
	select {
	case <-o.synced:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the objects of the Gateway API: %w", ctx.Err())
	}
}

// Subscribe adds a function that is called whenever the state of routes or their
// rewrites may have changed. It is called from several goroutines and must not block.
// Changes before the subscription are not repeated.
func (o *Observer) Subscribe(changed func(RouteRef)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.subscribers = append(o.subscribers, changed)
}

// Unreadable returns the resources that are served but cannot be read now, with the
// reason, sorted. It is empty if everything can be read.
func (o *Observer) Unreadable() []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var found []string
	if o.discoverErr != "" {
		found = append(found, "discovery: "+o.discoverErr)
	}
	for _, resource := range o.resources {
		for _, watch := range resource.watches {
			if watch.failure != "" {
				found = append(found, watch.String()+": "+watch.failure)
			}
		}
	}
	slices.Sort(found)
	return found
}

// Route returns the route, and whether it exists.
func (o *Observer) Route(kind signetv1alpha1.APIKind, namespace, name string) (publication.Route, publication.Presence) {
	found, presence := o.find(routeResource(kind), namespace, name)
	if record, ok := found.(*routeRecord); ok {
		return record.route, presence
	}
	return publication.Route{}, presence
}

// Publication returns the state of an API in an environment. last is Gateways of its
// last state in the same environment, nil if there was none. An API of kind API is
// treated as published.
func (o *Observer) Publication(kind signetv1alpha1.APIKind, namespace, name, environment string, last *int32) publication.State {
	if kind == signetv1alpha1.APIKindAPI {
		return publication.State{Published: true}
	}
	route, presence := o.Route(kind, namespace, name)
	switch presence {
	case publication.Present:
		return route.State(environment, o.topology(), last)
	case publication.Absent:
		return publication.NotThere(last)
	default:
		return publication.KeepLast(last)
	}
}

// Cause returns why a route is not published in an environment: it or one of its
// parents is not there, not read or not understood, or no Gateway of the environment
// has accepted it.
func (o *Observer) Cause(kind signetv1alpha1.APIKind, namespace, name, environment string) publication.Cause {
	route, presence := o.Route(kind, namespace, name)
	if presence == publication.Present {
		return route.Cause(environment, o.topology())
	}
	object := publication.ParentKey{Kind: string(kind), Namespace: namespace, Name: name}
	return publication.NewCause(presence.Finding(), object, o.reason)
}

// Rewrites returns the filters of the route that rewrite path or host; none for a
// route that does not exist or is unknown.
func (o *Observer) Rewrites(kind signetv1alpha1.APIKind, namespace, name string) []publication.Rewrite {
	route, _ := o.Route(kind, namespace, name)
	return route.Rewrites
}

func (o *Observer) topology() publication.Topology {
	return publication.Topology{Environment: o.environmentOf, Gateway: o.gatewayOf, Reason: o.reason}
}

func (o *Observer) environmentOf(gateway types.NamespacedName) (string, publication.Presence) {
	found, presence := o.find(resourceGateways, gateway.Namespace, gateway.Name)
	if record, ok := found.(*gatewayRecord); ok {
		return record.environment, presence
	}
	return "", presence
}

func (o *Observer) gatewayOf(listenerSet types.NamespacedName) (types.NamespacedName, publication.Presence) {
	found, presence := o.find(resourceListenerSets, listenerSet.Namespace, listenerSet.Name)
	if record, ok := found.(*listenerSetRecord); ok {
		return record.gateway, presence
	}
	return types.NamespacedName{}, presence
}

// reason returns why objects of the kind are not read in the namespace, empty before the
// first answer.
func (o *Observer) reason(kind, namespace string) string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, resource := range o.resources {
		if resource.kind != kind {
			continue
		}
		watch := resource.watchFor(namespace)
		switch {
		case resource.served == publication.Absent:
			return publication.ReasonNotInstalled
		case resource.served == publication.Unknown:
			return o.discoverErr
		case watch == nil:
			return publication.ReasonNotWatched
		default:
			return watch.failure
		}
	}
	return ""
}

// find looks up a record. In a namespace that is not observed, nothing is known.
func (o *Observer) find(resource, namespace, name string) (any, publication.Presence) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	observed, ok := o.resources[resource]
	if !ok {
		return nil, publication.Absent
	}
	if observed.served != publication.Present {
		return nil, observed.served
	}
	watch := observed.watchFor(namespace)
	if watch == nil {
		return nil, publication.Unknown
	}
	key := types.NamespacedName{Namespace: namespace, Name: name}.String()
	if record, exists, err := watch.informer.GetIndexer().GetByKey(key); err == nil && exists {
		return record, publication.Present
	}
	if watch.limit() != "" || !watch.informer.HasSynced() {
		return nil, publication.Unknown
	}
	return nil, publication.Absent
}
