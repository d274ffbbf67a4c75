// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/signet-dev/signet/internal/publication"
)

const (
	// discoveryTimeout limits one discovery request.
	discoveryTimeout = 10 * time.Second
	// discoveryPause is the minimum time between two discovery requests.
	discoveryPause = time.Second
)

// observationOrder lists the resources that routes refer to before the routes.
var observationOrder = []string{resourceGateways, resourceListenerSets, resourceHTTPRoutes, resourceGRPCRoutes}

// run repeats discovery, and starts and stops the watches accordingly. It returns
// when the context has ended and all watches have stopped.
func (o *Observer) run(ctx context.Context) {
	defer o.stopAll()
	discovered := false
	for ctx.Err() == nil {
		if o.discover(ctx) && !discovered {
			discovered = true
			go o.waitForInitialSync(ctx)
		}
		wait := o.interval
		if !discovered {
			wait = min(wait, discoveryPause)
		}
		o.pause(ctx, wait)
	}
}

// pause waits for this time, or until discoverSoon is called, but at least for
// discoveryPause.
func (o *Observer) pause(ctx context.Context, wait time.Duration) {
	least := time.NewTimer(min(wait, discoveryPause))
	defer least.Stop()
	select {
	case <-ctx.Done():
		return
	case <-least.C:
	}
	remaining := time.NewTimer(max(wait-discoveryPause, 0))
	defer remaining.Stop()
	select {
	case <-ctx.Done():
	case <-remaining.C:
	case <-o.wake:
	}
}

// discoverSoon ends the current pause early.
func (o *Observer) discoverSoon() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// discover finds out which resources are served, and starts and stops watches. If the
// request fails, nothing changes. It reports whether the result is final: retrying
// does not help if discovery is forbidden.
func (o *Observer) discover(ctx context.Context) bool {
	served, err := servedResources(ctx, o.discovery)
	if ctx.Err() != nil {
		return false
	}
	o.recordDiscovery(err)
	if err != nil {
		return apierrors.IsForbidden(err)
	}
	for _, name := range observationOrder {
		o.observe(ctx, o.resources[name], slices.Contains(served, name))
	}
	return true
}

// recordDiscovery records the result of discovery, and logs when it starts to fail
// or succeeds again.
func (o *Observer) recordDiscovery(err error) {
	reason := ""
	if err != nil {
		reason = failureOf(err)
	}
	o.mu.Lock()
	before := o.discoverErr
	o.discoverErr = reason
	o.mu.Unlock()
	switch {
	case reason == before:
	case err != nil:
		o.log.Error(err, "Failed to discover the kinds of the Gateway API, keeping the known ones")
	default:
		o.log.Info("Discovered the kinds of the Gateway API again")
	}
}

// servedResources returns the resources of version v1 of the Gateway API. If the API
// server does not know the group or version, there are none; any other error leaves
// the question open.
func servedResources(ctx context.Context, discovery rest.Interface) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	list := &metav1.APIResourceList{}
	err := discovery.Get().AbsPath("/apis", gwapiv1.GroupName, groupVersion.Version).Do(ctx).Into(list)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", groupVersion, err)
	}
	names := make([]string, 0, len(list.APIResources))
	for i := range list.APIResources {
		names = append(names, list.APIResources[i].Name)
	}
	return names, nil
}

// observe starts the watches of a resource that is now served, and stops those of one
// that no longer is.
func (o *Observer) observe(ctx context.Context, resource *observedResource, served bool) {
	presence := publication.Absent
	if served {
		presence = publication.Present
	}
	o.mu.Lock()
	if resource.served == presence {
		o.mu.Unlock()
		return
	}
	resource.served = presence
	stopped := resource.watches
	resource.watches = nil
	if served {
		resource.watches = map[string]*resourceWatch{}
		for _, namespace := range resource.namespaces {
			resource.watches[namespace] = o.newWatch(ctx, resource, namespace)
		}
	}
	o.mu.Unlock()
	if served {
		o.log.Info("Started to observe a kind of the Gateway API", "kind", resource.kind)
		return
	}
	o.log.Info("Kind of the Gateway API is not installed", "kind", resource.kind)
	for _, watch := range stopped {
		watch.stop()
	}
	o.notifyAll(resource, metav1.NamespaceAll)
}

// waitForInitialSync closes o.synced when each current watch has synced or failed.
func (o *Observer) waitForInitialSync(ctx context.Context) {
	for _, watch := range o.allWatches() {
		select {
		case <-ctx.Done():
			return
		case <-watch.stopped:
		case <-watch.synced:
		}
	}
	close(o.synced)
}

// allWatches returns the current watches of all resources.
func (o *Observer) allWatches() []*resourceWatch {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []*resourceWatch
	for _, resource := range o.resources {
		for _, watch := range resource.watches {
			all = append(all, watch)
		}
	}
	return all
}

// stopAll stops all watches and waits until they have ended. Their records stay.
func (o *Observer) stopAll() {
	for _, watch := range o.allWatches() {
		watch.stop()
	}
}
