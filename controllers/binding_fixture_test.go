// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/slotwatch"
)

// scriptedRoutes answers for routes with the number of Gateways that the spec
// has set for a route of that name.
type scriptedRoutes struct {
	mu       sync.Mutex
	gateways map[string]int32
	changed  func(gatewayapi.RouteRef)
}

func (*scriptedRoutes) WaitForSync(context.Context) error { return nil }

func (r *scriptedRoutes) Subscribe(changed func(gatewayapi.RouteRef)) { r.changed = changed }

func (r *scriptedRoutes) Publication(_ signetv1alpha1.APIKind, _, name, _ string, last *int32) publication.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	served := r.gateways[name]
	if served == 0 {
		return publication.NotThere(last)
	}
	return publication.State{Gateways: &served, Published: true}
}

func (*scriptedRoutes) Cause(signetv1alpha1.APIKind, string, string, string) publication.Cause {
	return publication.Cause{Finding: publication.NotAccepted}
}

func (*scriptedRoutes) Rewrites(signetv1alpha1.APIKind, string, string) []publication.Rewrite {
	return nil
}

// serve sets the number of Gateways that serve the route "orders".
func (r *scriptedRoutes) serve(namespace string, gateways int32) {
	const name = "orders"
	r.mu.Lock()
	if r.gateways == nil {
		r.gateways = map[string]int32{}
	}
	r.gateways[name] = gateways
	changed := r.changed
	r.mu.Unlock()
	if changed != nil {
		changed(gatewayapi.RouteRef{Kind: signetv1alpha1.APIKindHTTPRoute, Namespace: namespace, Name: name})
	}
}

func startBoth() *env.Manager {
	GinkgoHelper()
	return cluster.StartManager(env.ManagerOptions{Bindings: true, Routes: &scriptedRoutes{}})
}

// rival makes a binding sign differently from those without this option: where
// one of the two holds an API, the other is Conflicted.
var rival = gen.WithSignatureHeader("X-Signature")

// watchNamespace starts a watcher. When the spec ends, it expects that no slot
// had two holders at the same time.
func watchNamespace(ctx context.Context, namespace string) *slotwatch.Watcher {
	GinkgoHelper()
	w, err := slotwatch.Watch(ctx, cluster.Config, namespace)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		w.Stop()
		Expect(w.Seen()).NotTo(BeZero())
		Expect(w.Doubles()).To(BeEmpty(), "slots that two bindings held at one instant")
	})
	return w
}

// holders returns the bindings of the namespace that hold the API.
func holders(g Gomega, ctx context.Context, namespace, api string) []string {
	var list signetv1alpha1.SignatureBindingList
	g.Expect(admin.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
	var names []string
	for i := range list.Items {
		for _, slot := range slots.HeldBy(&list.Items[i]) {
			if slot.Name == api {
				names = append(names, list.Items[i].Name)
			}
		}
	}
	return names
}

// acceptRoutes does what the controller of a gateway does: it accepts the routes
// of the namespace whose Gateway exists.
func acceptRoutes(ctx context.Context, namespace string) {
	GinkgoHelper()
	var routes gwapiv1.HTTPRouteList
	Expect(admin.List(ctx, &routes, client.InNamespace(namespace))).To(Succeed())
	for i := range routes.Items {
		route := &routes.Items[i]
		parent := route.Spec.ParentRefs[0]
		if admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: string(parent.Name)}, &gwapiv1.Gateway{}) != nil {
			continue
		}
		env.UpdateStatus(ctx, admin, route, gen.Accepted)
	}
}
