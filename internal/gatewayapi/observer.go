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

// defaultDiscoveryInterval is how often the observer looks which kinds of the
// Gateway API the cluster serves.
const defaultDiscoveryInterval = 10 * time.Second

// Options configures a Observer. The zero value observes
// the whole cluster.
type Options struct {
	// Namespaces whose routes are observed; none: all.
	Namespaces []string
	// GatewayNamespaces are those whose Gateways and ListenerSets are observed
	// beside those in Namespaces. Without meaning if Namespaces is empty.
	GatewayNamespaces []string
	// DiscoveryInterval is how often it is looked which kinds are served; left
	// out: 10 s.
	DiscoveryInterval time.Duration
	// Logger; left out: controller-runtime's, named gateway-observer.
	Logger logr.Logger
}

// RouteRef names a route whose publication or rewrites may have changed. An
// empty Name stands for all routes of the Kind in the Namespace, an empty
// Namespace beside it for all namespaces: also for those that do not exist, or
// exist no more.
type RouteRef struct {
	Kind      signetv1alpha1.APIKind
	Namespace string
	Name      string
}

// Observer follows the routes, Gateways and ListenerSets of a cluster.
// The Gateway API need not be installed: its kinds are noticed, each by itself,
// when they come and when they go. Queries are answered from memory.
//
// Only what matters for publication is kept of an object. What cannot be read
// at the moment (discovery has failed, a list is forbidden) is unknown rather
// than absent: verdicts then rest on the last ones.
type Observer struct {
	client    client.WithWatch
	discovery rest.Interface
	interval  time.Duration
	log       logr.Logger
	// resources by plural name; the map does not change after construction.
	resources map[string]*observedResource
	// kick asks for a look at discovery before its time.
	kick chan struct{}
	// settled is closed when the first discovery has been answered and each
	// watch that it led to has synced or failed.
	settled chan struct{}

	// mu guards the fields below, and those of resources that say so.
	mu          sync.RWMutex
	started     bool
	discoverErr string
	subscribers []func(RouteRef)
}

// New returns an observer that does nothing until it is started.
func New(cfg *rest.Config, opts Options) (*Observer, error) {
	cli, discovery, err := newGatewayClients(cfg)
	if err != nil {
		return nil, err
	}
	observer := &Observer{
		client:    cli,
		discovery: discovery,
		interval:  opts.DiscoveryInterval,
		log:       opts.Logger,
		resources: newObservedResources(opts),
		kick:      make(chan struct{}, 1),
		settled:   make(chan struct{}),
	}
	if observer.interval <= 0 {
		observer.interval = defaultDiscoveryInterval
	}
	if observer.log.GetSink() == nil {
		observer.log = ctrl.Log.WithName("gateway-observer")
	}
	return observer, nil
}

// NeedLeaderElection says that the observer runs in every replica, as the
// manager's caches do: who comes to lead then decides with what is already
// there, instead of listing every route first.
func (o *Observer) NeedLeaderElection() bool { return false }

// Start observes until the context ends. It may be called once.
func (o *Observer) Start(ctx context.Context) error {
	o.mu.Lock()
	if o.started {
		o.mu.Unlock()
		return errors.New("the gateway observer was started already")
	}
	o.started = true
	o.mu.Unlock()
	o.run(ctx)
	return nil
}

// WaitForSync returns when the first verdicts can be asked for: when it is
// known which kinds the cluster serves, and their objects have been read or
// could not be. Before that every verdict rests on the last one.
func (o *Observer) WaitForSync(ctx context.Context) error {
	select {
	case <-o.settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the Gateway API's objects: %w", ctx.Err())
	}
}

// Subscribe has changed called whenever the verdict on routes or their
// rewrites may have changed. It is called from several goroutines and must not
// block. What happened before the subscription is not made up for.
func (o *Observer) Subscribe(changed func(RouteRef)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.subscribers = append(o.subscribers, changed)
}

// Unreadable names what the cluster serves but does not let us read at the
// moment, with the reason, sorted. Empty if all is well.
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

// Route returns what is known of a route, and whether it is there.
func (o *Observer) Route(kind signetv1alpha1.APIKind, namespace, name string) (publication.Route, publication.Presence) {
	found, presence := o.find(routeResource(kind), namespace, name)
	if record, ok := found.(*routeRecord); ok {
		return record.route, presence
	}
	return publication.Route{}, presence
}

// Publication returns the verdict on an API in an environment. last is the
// Gateways of the last verdict on it in the same environment, nil if there was
// none. An API of kind API is taken as published.
func (o *Observer) Publication(kind signetv1alpha1.APIKind, namespace, name, environment string, last *int32) publication.State {
	if kind == signetv1alpha1.APIKindAPI {
		return publication.State{Published: true}
	}
	route, presence := o.Route(kind, namespace, name)
	switch presence {
	case publication.Present:
		return route.State(environment, publication.Topology{Environment: o.environmentOf, Gateway: o.gatewayOf}, last)
	case publication.Absent:
		return publication.NotThere(last)
	default:
		return publication.KeepLast(last)
	}
}

// Rewrites returns the filters of the route that rewrite path or host; none
// for a route that is not there or not known.
func (o *Observer) Rewrites(kind signetv1alpha1.APIKind, namespace, name string) []publication.Rewrite {
	route, _ := o.Route(kind, namespace, name)
	return route.Rewrites
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
	record, ok := found.(*listenerSetRecord)
	switch {
	case !ok:
		return types.NamespacedName{}, presence
	case record.gateway.Name == "":
		return types.NamespacedName{}, publication.Absent
	default:
		return record.gateway, presence
	}
}

// find looks an object up. In a namespace that is not observed there is none.
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
	watch := observed.watchOf(namespace)
	if watch == nil {
		return nil, publication.Absent
	}
	key := types.NamespacedName{Namespace: namespace, Name: name}.String()
	if record, exists, err := watch.informer.GetIndexer().GetByKey(key); err == nil && exists {
		return record, publication.Present
	}
	if !watch.informer.HasSynced() {
		return nil, publication.Unknown
	}
	return nil, publication.Absent
}
