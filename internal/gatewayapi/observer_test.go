// SPDX-License-Identifier: Apache-2.0

package gatewayapi_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	httpKind = signetv1alpha1.APIKindHTTPRoute
	grpcKind = signetv1alpha1.APIKindGRPCRoute

	httpRoutes   = "httproutes"
	grpcRoutes   = "grpcroutes"
	gateways     = "gateways"
	listenerSets = "listenersets"
)

// The states that the cases expect.
var (
	neverPublished = publication.State{}
	offlineNow     = publication.State{Gateways: count32(0)}
)

func publishedBy(gateways int32) publication.State {
	return publication.State{Gateways: &gateways, Published: true}
}

func restingOn(state publication.State) publication.State {
	state.RestsOnLast = true
	return state
}

func notRead(kind, namespace, reason string) publication.Cause {
	return publication.Cause{Finding: publication.NotRead, Kind: kind, Namespace: namespace, Reason: reason}
}

func count32(n int32) *int32 { return &n }

// TestObserver shares one API server. Each case installs the CRDs that it needs and
// removes them afterwards.
func TestObserver(t *testing.T) {
	server := startServer(t)
	server.create(t, newNamespace("shop"), newNamespace("infra"))
	cases := []struct {
		name string
		run  func(*testing.T, *testServer)
	}{
		{"CRDs are installed and removed", observesInstalledKinds},
		{"labels and Gateways change", observesGateways},
		{"ListenerSets are created, moved and deleted", observesListenerSets},
		{"routes change", observesRoutes},
		{"a restart keeps the last state", keepsStateAcrossRestarts},
		{"failing discovery keeps the last state", survivesFailingDiscovery},
		{"a failing list delays nothing", survivesFailingList},
		{"namespaces under Roles", observesNamespaces},
		{"forbidden kinds", survivesForbiddenKinds},
		{"a permission that is lost", noticesLostPermissions},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, server) })
	}
}

// expectState waits for the state of HTTPRoute orders of namespace shop.
func (o *observation) expectState(t *testing.T, want publication.State, last *int32) {
	t.Helper()
	NewWithT(t).Eventually(func() publication.State {
		return o.Publication(httpKind, "shop", "orders", "RELEASE", last)
	}, proc.Soon, proc.Poll).Should(Equal(want))
}

// expectNotified waits until the route was notified more often than before.
func (o *observation) expectNotified(t *testing.T, ref gatewayapi.RouteRef, before int) {
	t.Helper()
	NewWithT(t).Eventually(func() int { return o.count(ref) }, proc.Soon, proc.Poll).Should(BeNumerically(">", before))
}

// expectNoReads expects that nothing is listed or watched while discovery is
// repeated. A watch that goes on after its kind was removed would try again.
func (o *observation) expectNoReads(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	discoveries, reads := o.requests.counts()
	g.Eventually(func() int { now, _ := o.requests.counts(); return now - discoveries }, proc.Soon, proc.Poll).Should(BeNumerically(">", 10))
	_, now := o.requests.counts()
	g.Expect(now).To(Equal(reads))
}

var (
	ordersRef = gatewayapi.RouteRef{Kind: httpKind, Namespace: "shop", Name: "orders"}
	allHTTP   = gatewayapi.RouteRef{Kind: httpKind}
	allGRPC   = gatewayapi.RouteRef{Kind: grpcKind}
)

func observesInstalledKinds(t *testing.T, server *testServer) {
	g := NewWithT(t)
	o := observe(t, server.Config, gatewayapi.Options{})
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", nil)).To(Equal(neverPublished))
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", count32(2))).To(Equal(offlineNow))
	g.Expect(o.Publication(signetv1alpha1.APIKindAPI, "shop", "orders", "RELEASE", nil)).To(Equal(publication.State{Published: true}))
	g.Expect(o.Cause(httpKind, "shop", "orders", "RELEASE")).To(Equal(publication.Cause{
		Finding: publication.NotFound, Kind: "HTTPRoute", Reason: publication.ReasonNotInstalled,
	}))
	g.Expect(o.requests.watches()).To(BeEmpty())

	for range 2 {
		before := o.count(allHTTP)
		server.install(t, httpRoutes, gateways)
		o.expectNotified(t, allHTTP, before)
		g.Eventually(func() publication.Cause { return o.Cause(httpKind, "shop", "orders", "RELEASE") }, proc.Soon, proc.Poll).
			Should(Equal(publication.Cause{Finding: publication.NotFound, Kind: "HTTPRoute"}))
		server.create(t, gatewayIn("infra", "public", "RELEASE"))
		route := httpRouteIn("shop", "orders", parentRef("Gateway", "infra", "public"))
		server.create(t, route)
		server.accept(t, route, metav1.ConditionTrue, "")
		o.expectState(t, publishedBy(1), nil)
		g.Expect(o.Publication(grpcKind, "shop", "orders", "RELEASE", nil)).To(Equal(neverPublished))
		g.Eventually(o.requests.watches, proc.Soon, proc.Poll).Should(Equal(map[string]int{httpRoutes: 1, gateways: 1}))

		before = o.count(allHTTP)
		server.remove(t, gateways)
		o.expectState(t, offlineNow, count32(1))
		o.expectNotified(t, allHTTP, before)
		server.remove(t, httpRoutes)
		g.Eventually(o.requests.watches, proc.Soon, proc.Poll).Should(BeEmpty())
		o.expectState(t, neverPublished, nil)
		_, presence := o.Route(httpKind, "shop", "orders")
		g.Expect(presence).To(Equal(publication.Absent))
		o.expectNoReads(t)
	}
	g.Expect(o.logs("Failed")).To(BeZero(), "removing a kind is no error")
	g.Expect(o.Unreadable()).To(BeEmpty())
}

func observesGateways(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, grpcRoutes, gateways)
	public, local := gatewayIn("infra", "public", "RELEASE"), gatewayIn("shop", "local", "staging")
	parents := []gwapiv1.ParentReference{parentRef("Gateway", "infra", "public"), {Name: "local"}}
	route, grpc := httpRouteIn("shop", "orders", parents...), grpcRouteIn("shop", "orders", parents...)
	server.create(t, public, local, route, grpc)
	server.accept(t, route, metav1.ConditionTrue, "")
	server.accept(t, grpc, metav1.ConditionTrue, "")
	o := observe(t, server.Config, gatewayapi.Options{})
	o.expectState(t, publishedBy(1), nil)
	g.Expect(o.Publication(grpcKind, "shop", "orders", "staging", nil)).To(Equal(publishedBy(1)))

	grpcRef := gatewayapi.RouteRef{Kind: grpcKind, Namespace: "shop", Name: "orders"}
	steps := []struct {
		what   string
		change func()
		want   publication.State
	}{
		{"label moved here", func() {
			server.change(t, local, func() { local.Labels[signetv1alpha1.LabelEnvironment] = "RELEASE" })
		}, publishedBy(2)},
		{"label removed", func() {
			server.change(t, public, func() { public.Labels = nil })
		}, publishedBy(1)},
		{"Gateway deleted", func() { server.delete(t, local) }, offlineNow},
		{"Gateway created", func() { server.create(t, gatewayIn("shop", "local", "RELEASE")) }, publishedBy(1)},
	}
	for _, step := range steps {
		http, grpc := o.count(ordersRef), o.count(grpcRef)
		step.change()
		o.expectState(t, step.want, count32(1))
		o.expectNotified(t, ordersRef, http)
		o.expectNotified(t, grpcRef, grpc)
	}
}

func observesListenerSets(t *testing.T, server *testServer) {
	server.install(t, httpRoutes, gateways)
	public, staging := gatewayIn("infra", "public", "RELEASE"), gatewayIn("infra", "staging", "staging")
	route := httpRouteIn("shop", "orders", parentRef("ListenerSet", "shop", "extra"))
	server.create(t, public, staging, route)
	server.accept(t, route, metav1.ConditionTrue, "")
	o := observe(t, server.Config, gatewayapi.Options{})
	o.expectState(t, neverPublished, nil)

	before := o.count(allHTTP)
	server.install(t, listenerSets)
	o.expectNotified(t, allHTTP, before)
	set := listenerSetIn("shop", "extra", public)
	steps := []struct {
		what   string
		change func()
		want   publication.State
	}{
		{"created", func() { server.create(t, set) }, publishedBy(1)},
		{"moved to a Gateway of another environment", func() {
			server.change(t, set, func() { attach(set, staging) })
		}, offlineNow},
		{"that Gateway moved here", func() {
			server.change(t, staging, func() { staging.Labels[signetv1alpha1.LabelEnvironment] = "RELEASE" })
		}, publishedBy(1)},
		{"deleted", func() { server.delete(t, set) }, offlineNow},
	}
	for _, step := range steps {
		before := o.count(ordersRef)
		step.change()
		o.expectState(t, step.want, count32(1))
		o.expectNotified(t, ordersRef, before)
	}
}

func observesRoutes(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, gateways)
	server.create(t, gatewayIn("shop", "local", "RELEASE"))
	o := observe(t, server.Config, gatewayapi.Options{})
	local := gwapiv1.ParentReference{Name: "local"}
	route, fence := httpRouteIn("shop", "orders", local), httpRouteIn("shop", "fence", local)
	server.create(t, route, fence)
	o.expectNotified(t, ordersRef, 0)
	o.expectState(t, neverPublished, nil)
	server.accept(t, route, metav1.ConditionTrue, "")
	o.expectState(t, publishedBy(1), nil)

	// A change that affects no state causes no notification. The event of the fence
	// comes last.
	before := o.count(ordersRef)
	for _, message := range []string{"a", "b", "c"} {
		server.accept(t, route, metav1.ConditionTrue, message)
	}
	server.accept(t, fence, metav1.ConditionTrue, "")
	fenceRef := gatewayapi.RouteRef{Kind: httpKind, Namespace: "shop", Name: "fence"}
	o.expectNotified(t, fenceRef, 1)
	g.Expect(o.count(ordersRef)).To(Equal(before))

	// A new generation without a condition of its own keeps the last state.
	server.change(t, route, func() {
		hostname := gwapiv1.PreciseHostname("orders.internal")
		route.Spec.Rules = []gwapiv1.HTTPRouteRule{{Filters: []gwapiv1.HTTPRouteFilter{{
			Type: gwapiv1.HTTPRouteFilterURLRewrite, URLRewrite: &gwapiv1.HTTPURLRewriteFilter{Hostname: &hostname},
		}}}}
	})
	o.expectState(t, restingOn(publishedBy(1)), count32(1))
	o.expectState(t, restingOn(neverPublished), nil)
	g.Expect(o.Rewrites(httpKind, "shop", "orders")).To(Equal([]publication.Rewrite{{Field: "spec.rules[0].filters[0]", Host: true}}))
	server.accept(t, route, metav1.ConditionFalse, "")
	o.expectState(t, offlineNow, count32(1))

	before = o.count(ordersRef)
	server.delete(t, route)
	o.expectNotified(t, ordersRef, before)
	g.Expect(o.Rewrites(httpKind, "shop", "orders")).To(BeEmpty())
}

func keepsStateAcrossRestarts(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, gateways)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	for range 3 {
		o := observe(t, server.Config, gatewayapi.Options{})
		g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", count32(1))).To(Equal(publishedBy(1)))
		o.stop()
		g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", count32(1))).To(Equal(publishedBy(1)))
	}

	notStarted, err := gatewayapi.New(server.Config, gatewayapi.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(notStarted.Cause(httpKind, "shop", "orders", "RELEASE")).To(Equal(notRead("HTTPRoute", "shop", "")))
	g.Expect(notStarted.Publication(httpKind, "shop", "orders", "RELEASE", count32(1))).To(Equal(restingOn(publishedBy(1))))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	g.Expect(notStarted.WaitForSync(ended)).To(MatchError(ContainSubstring("wait for the objects of the Gateway API")))
	g.Expect(notStarted.Start(ended)).To(Succeed())
	g.Expect(notStarted.Start(ended)).To(MatchError("gateway observer is already started"))
}

func survivesFailingDiscovery(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, gateways)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	var fault faults
	o := observe(t, fault.wrap(server.Config), gatewayapi.Options{})
	o.expectState(t, publishedBy(1), nil)

	fault.fail("/gateway.networking.k8s.io/v1")
	g.Eventually(fault.count, proc.Soon, proc.Poll).Should(BeNumerically(">=", 3))
	g.Expect(o.Unreadable()).To(Equal([]string{"discovery: ServiceUnavailable"}))
	g.Expect(o.logs("Failed to discover")).To(Equal(1))
	o.expectState(t, publishedBy(1), nil)
	server.accept(t, route, metav1.ConditionFalse, "")
	o.expectState(t, offlineNow, count32(1))

	fault.fail("")
	g.Eventually(o.Unreadable, proc.Soon, proc.Poll).Should(BeEmpty())
	g.Expect(o.logs("Discovered the kinds of the Gateway API again")).To(Equal(1))
}

func survivesFailingList(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, gateways)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	var fault faults
	fault.fail("/gateways")
	o := observe(t, fault.wrap(server.Config), gatewayapi.Options{})
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", nil)).To(Equal(restingOn(neverPublished)))
	o.expectState(t, restingOn(publishedBy(1)), count32(1))
	g.Expect(o.Unreadable()).To(Equal([]string{"gateways: ServiceUnavailable"}))
	g.Expect(o.Cause(httpKind, "shop", "orders", "RELEASE")).To(Equal(notRead("Gateway", "shop", "ServiceUnavailable")))

	before := o.count(allGRPC)
	fault.fail("")
	o.expectState(t, publishedBy(1), nil)
	o.expectNotified(t, allGRPC, before)
	g.Eventually(o.Unreadable, proc.Soon, proc.Poll).Should(BeEmpty())
}

func observesNamespaces(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, grpcRoutes, gateways, listenerSets)
	all := []string{httpRoutes, grpcRoutes, gateways, listenerSets}
	server.allow(t, "tenant", "shop", all...)
	server.allow(t, "tenant", "infra", gateways, listenerSets)
	public, local := gatewayIn("infra", "public", "RELEASE"), gatewayIn("shop", "local", "RELEASE")
	hidden := gatewayIn("default", "hidden", "RELEASE")
	set := listenerSetIn("infra", "extra", gatewayIn("infra", "third", "RELEASE"))
	parents := []gwapiv1.ParentReference{
		{Name: "local"}, parentRef("Gateway", "infra", "public"), parentRef("Gateway", "default", "hidden"),
		parentRef("ListenerSet", "infra", "extra"),
	}
	route, other := httpRouteIn("shop", "orders", parents...), httpRouteIn("infra", "orders", parents...)
	server.create(t, public, local, hidden, set, gatewayIn("infra", "third", "RELEASE"), route, other)
	server.accept(t, route, metav1.ConditionTrue, "")
	server.accept(t, other, metav1.ConditionTrue, "")

	o := observe(t, server.as("tenant"), gatewayapi.Options{
		Namespaces: []string{"shop"}, GatewayNamespaces: []string{"infra", "shop"},
	})
	g.Expect(o.Unreadable()).To(BeEmpty())
	g.Eventually(o.requests.watches, proc.Soon, proc.Poll).Should(Equal(map[string]int{httpRoutes: 1, grpcRoutes: 1, gateways: 2, listenerSets: 2}))
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", nil)).To(Equal(restingOn(publishedBy(3))))
	g.Expect(o.Cause(httpKind, "shop", "orders", "RELEASE")).To(Equal(notRead("Gateway", "default", publication.ReasonNotWatched)))
	g.Expect(o.Publication(httpKind, "infra", "orders", "RELEASE", nil)).To(Equal(restingOn(neverPublished)))
	g.Expect(o.Cause(httpKind, "infra", "orders", "RELEASE")).To(Equal(notRead("HTTPRoute", "infra", publication.ReasonNotWatched)))
	before := o.count(ordersRef)
	server.change(t, public, func() { public.Labels = nil })
	o.expectState(t, restingOn(publishedBy(2)), nil)
	o.expectNotified(t, ordersRef, before)
}

func survivesForbiddenKinds(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, gateways, listenerSets)
	server.allow(t, "limited", "shop", httpRoutes)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	o := observe(t, server.as("limited"), gatewayapi.Options{Namespaces: []string{"shop"}})
	g.Expect(o.Unreadable()).To(Equal([]string{"gateways in namespace shop: Forbidden", "listenersets in namespace shop: Forbidden"}))
	g.Expect(o.Cause(httpKind, "shop", "orders", "RELEASE")).To(Equal(notRead("Gateway", "shop", "Forbidden")))
	_, presence := o.Route(httpKind, "shop", "orders")
	g.Expect(presence).To(Equal(publication.Present))
	o.expectState(t, restingOn(neverPublished), nil)
	o.expectState(t, restingOn(publishedBy(1)), count32(4))

	before := o.count(allHTTP)
	server.allow(t, "limited", "shop", gateways)
	o.expectState(t, publishedBy(1), nil)
	o.expectNotified(t, allHTTP, before)
	g.Expect(o.Unreadable()).To(Equal([]string{"listenersets in namespace shop: Forbidden"}))
	g.Expect(o.logs("Not allowed to list and watch")).To(Equal(2), "once for each kind")
	g.Expect(o.logs("Watching again")).To(Equal(1))
}

// A watch that was established loses its permission: what was read stands, and what is
// created later is not absent.
func noticesLostPermissions(t *testing.T, server *testServer) {
	g := NewWithT(t)
	server.install(t, httpRoutes, gateways)
	early, late := gwapiv1.ParentReference{Name: "early"}, gwapiv1.ParentReference{Name: "late"}
	read, unread := httpRouteIn("shop", "read", early), httpRouteIn("shop", "orders", late)
	server.create(t, gatewayIn("shop", "early", "RELEASE"), read, unread)
	server.accept(t, read, metav1.ConditionTrue, "")
	server.accept(t, unread, metav1.ConditionTrue, "")
	var fault faults
	o := observe(t, fault.wrap(server.Config), gatewayapi.Options{})
	o.expectState(t, neverPublished, nil)
	g.Expect(o.Cause(httpKind, "shop", "orders", "RELEASE")).To(Equal(publication.Cause{Finding: publication.NotFound, Kind: "Gateway"}))

	before := o.count(allHTTP)
	fault.forbid("/apis/gateway.networking.k8s.io/v1/gateways")
	o.expectNotified(t, allHTTP, before)
	server.create(t, gatewayIn("shop", "late", "RELEASE"))
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", nil)).To(Equal(restingOn(neverPublished)))
	g.Expect(o.Cause(httpKind, "shop", "orders", "RELEASE")).To(Equal(notRead("Gateway", "shop", "Forbidden")))
	g.Expect(o.Publication(httpKind, "shop", "read", "RELEASE", nil)).To(Equal(publishedBy(1)))

	fault.fail("")
	o.expectState(t, publishedBy(1), nil)
}
