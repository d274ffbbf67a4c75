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
	// discoveryTimeout is how long one look at discovery may take.
	discoveryTimeout = 10 * time.Second
	// discoveryPause is the least time between two looks.
	discoveryPause = time.Second
)

// observationOrder has what routes refer to before the routes.
var observationOrder = []string{resourceGateways, resourceListenerSets, resourceHTTPRoutes, resourceGRPCRoutes}

// run looks at discovery again and again, and starts and stops the watches by
// what it finds. It returns when the context has ended and the watches with it.
func (o *Observer) run(ctx context.Context) {
	defer o.stopAll()
	answered := false
	for ctx.Err() == nil {
		if o.discover(ctx) && !answered {
			answered = true
			go o.waitForInitialSync(ctx)
		}
		wait := o.interval
		if !answered {
			wait = min(wait, discoveryPause)
		}
		o.pause(ctx, wait)
	}
}

// pause waits for the time given, or less if a look is asked for.
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
	case <-o.kick:
	}
}

// lookSoon asks for a look at discovery before its time.
func (o *Observer) lookSoon() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// discover asks which resources are served and acts on the answer. Without one all
// stays as it is. It returns whether waiting for a better answer is vain.
func (o *Observer) discover(ctx context.Context) bool {
	served, err := servedGatewayResources(ctx, o.discovery)
	if ctx.Err() != nil {
		return false
	}
	o.discovered(err)
	if err != nil {
		return apierrors.IsForbidden(err)
	}
	for _, name := range observationOrder {
		o.observe(ctx, o.resources[name], slices.Contains(served, name))
	}
	return true
}

// discovered logs that discovery has begun to fail or to succeed.
func (o *Observer) discovered(err error) {
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
		o.log.Error(err, "Cannot find out which kinds of the Gateway API are served; what is known stays in force")
	default:
		o.log.Info("Can find out again which kinds of the Gateway API are served")
	}
}

// servedGatewayResources lists the resources of the Gateway API's v1. That the
// API server does not know the group or version is an answer; any other error
// is none.
func servedGatewayResources(ctx context.Context, discovery rest.Interface) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	list := &metav1.APIResourceList{}
	err := discovery.Get().AbsPath("/apis", gwapiv1.GroupName, gatewayGroupVersion.Version).Do(ctx).Into(list)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", gatewayGroupVersion, err)
	}
	names := make([]string, 0, len(list.APIResources))
	for i := range list.APIResources {
		names = append(names, list.APIResources[i].Name)
	}
	return names, nil
}

// observe starts the watches of a resource that has come, and stops those of
// one that has gone.
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
	gone := resource.watches
	resource.watches = nil
	if served {
		resource.watches = map[string]*gatewayWatch{}
		for _, namespace := range resource.namespaces {
			resource.watches[namespace] = o.newWatch(ctx, resource, namespace)
		}
	}
	o.mu.Unlock()
	if served {
		o.log.Info("The cluster serves this kind of the Gateway API", "kind", resource.kind)
		return
	}
	o.log.Info("The cluster does not serve this kind of the Gateway API", "kind", resource.kind)
	for _, watch := range gone {
		watch.stop()
	}
	o.notifyAll(resource, metav1.NamespaceAll)
}

// waitForInitialSync closes o.settled once each watch that there is has synced or failed.
func (o *Observer) waitForInitialSync(ctx context.Context) {
	for _, watch := range o.watchesNow() {
		select {
		case <-ctx.Done():
			return
		case <-watch.stopped:
		case <-watch.settled:
		}
	}
	close(o.settled)
}

func (o *Observer) watchesNow() []*gatewayWatch {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []*gatewayWatch
	for _, resource := range o.resources {
		for _, watch := range resource.watches {
			all = append(all, watch)
		}
	}
	return all
}

// stopAll waits for the end of all watches. What they have read stays known.
func (o *Observer) stopAll() {
	for _, watch := range o.watchesNow() {
		watch.stop()
	}
}
