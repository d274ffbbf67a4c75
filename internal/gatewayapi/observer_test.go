// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
)

const (
	httpKind = signetv1alpha1.APIKindHTTPRoute
	grpcKind = signetv1alpha1.APIKindGRPCRoute
)

// The verdicts that the cases expect.
var (
	neverPublished = publication.State{}
	offlineNow     = publication.State{Gateways: count32(0)}
)

func publishedBy(gateways int32) publication.State {
	return publication.State{Gateways: &gateways, Published: true}
}

func restingOn(verdict publication.State) publication.State {
	verdict.RestsOnLast = true
	return verdict
}

func count32(n int32) *int32 { return &n }

// TestObserver shares one API server; each case installs the CRDs that
// it wants and removes them again.
func TestObserver(t *testing.T) {
	server := startGatewayServer(t)
	server.create(t, gatewayNamespace("shop"), gatewayNamespace("infra"))
	cases := []struct {
		name string
		run  func(*testing.T, *gatewayServer)
	}{
		{"CRDs come and go", observesKindsComeAndGo},
		{"labels and Gateways change", observesGateways},
		{"ListenerSets come, move and go", observesListenerSets},
		{"routes change", observesRoutes},
		{"a restart keeps verdicts", keepsVerdictsOverRestart},
		{"failing discovery keeps verdicts", survivesFailingDiscovery},
		{"a failing list holds nothing up", survivesFailingList},
		{"namespaces under Roles", observesNamespaces},
		{"forbidden kinds", survivesForbiddenKinds},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, server) })
	}
}

// expectVerdict waits for the verdict on HTTPRoute orders of namespace shop.
func (o *observation) expectVerdict(t *testing.T, want publication.State, last *int32) {
	t.Helper()
	NewWithT(t).Eventually(func() publication.State {
		return o.Publication(httpKind, "shop", "orders", "RELEASE", last)
	}, gatewaySoon, gatewayPoll).Should(Equal(want))
}

// expectAnnounced waits until the route has been announced more than so often.
func (o *observation) expectAnnounced(t *testing.T, ref RouteRef, before int) {
	t.Helper()
	NewWithT(t).Eventually(func() int { return o.count(ref) }, gatewaySoon, gatewayPoll).Should(BeNumerically(">", before))
}

var (
	ordersRef = RouteRef{Kind: httpKind, Namespace: "shop", Name: "orders"}
	allHTTP   = RouteRef{Kind: httpKind}
	allGRPC   = RouteRef{Kind: grpcKind}
)

func observesKindsComeAndGo(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	o := observe(t, server.config, Options{})
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", nil)).To(Equal(neverPublished))
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", count32(2))).To(Equal(offlineNow))
	g.Expect(o.Publication(signetv1alpha1.APIKindAPI, "shop", "orders", "RELEASE", nil)).To(Equal(publication.State{Published: true}))
	g.Expect(o.watchesNow()).To(BeEmpty())

	for range 2 {
		before := o.count(allHTTP)
		server.install(t, resourceHTTPRoutes, resourceGateways)
		o.expectAnnounced(t, allHTTP, before)
		server.create(t, gatewayIn("infra", "public", "RELEASE"))
		route := httpRouteIn("shop", "orders", parentRef("Gateway", "infra", "public"))
		server.create(t, route)
		server.accept(t, route, metav1.ConditionTrue, "")
		o.expectVerdict(t, publishedBy(1), nil)
		g.Expect(o.Publication(grpcKind, "shop", "orders", "RELEASE", nil)).To(Equal(neverPublished))
		watches := o.watchesNow()
		g.Expect(watches).To(HaveLen(2))

		before = o.count(allHTTP)
		server.remove(t, resourceGateways)
		o.expectVerdict(t, offlineNow, count32(1))
		o.expectAnnounced(t, allHTTP, before)
		server.remove(t, resourceHTTPRoutes)
		g.Eventually(o.watchesNow, gatewaySoon, gatewayPoll).Should(BeEmpty())
		for _, watch := range watches {
			g.Eventually(watch.stopped, gatewaySoon).Should(BeClosed())
		}
		o.expectVerdict(t, neverPublished, nil)
		_, presence := o.Route(httpKind, "shop", "orders")
		g.Expect(presence).To(Equal(publication.Absent))
	}
	g.Expect(o.logs("Cannot")).To(BeZero(), "a kind that goes is no error")
	g.Expect(o.Unreadable()).To(BeEmpty())
}

func observesGateways(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	server.install(t, resourceHTTPRoutes, resourceGRPCRoutes, resourceGateways)
	public, local := gatewayIn("infra", "public", "RELEASE"), gatewayIn("shop", "local", "staging")
	parents := []gwapiv1.ParentReference{parentRef("Gateway", "infra", "public"), {Name: "local"}}
	route, grpc := httpRouteIn("shop", "orders", parents...), grpcRouteIn("shop", "orders", parents...)
	server.create(t, public, local, route, grpc)
	server.accept(t, route, metav1.ConditionTrue, "")
	server.accept(t, grpc, metav1.ConditionTrue, "")
	o := observe(t, server.config, Options{})
	o.expectVerdict(t, publishedBy(1), nil)
	g.Expect(o.Publication(grpcKind, "shop", "orders", "staging", nil)).To(Equal(publishedBy(1)))

	grpcRef := RouteRef{Kind: grpcKind, Namespace: "shop", Name: "orders"}
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
		o.expectVerdict(t, step.want, count32(1))
		o.expectAnnounced(t, ordersRef, http)
		o.expectAnnounced(t, grpcRef, grpc)
	}
}

func observesListenerSets(t *testing.T, server *gatewayServer) {
	server.install(t, resourceHTTPRoutes, resourceGateways)
	public, staging := gatewayIn("infra", "public", "RELEASE"), gatewayIn("infra", "staging", "staging")
	route := httpRouteIn("shop", "orders", parentRef("ListenerSet", "shop", "extra"))
	server.create(t, public, staging, route)
	server.accept(t, route, metav1.ConditionTrue, "")
	o := observe(t, server.config, Options{})
	o.expectVerdict(t, neverPublished, nil)

	before := o.count(allHTTP)
	server.install(t, resourceListenerSets)
	o.expectAnnounced(t, allHTTP, before)
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
		o.expectVerdict(t, step.want, count32(1))
		o.expectAnnounced(t, ordersRef, before)
	}
}

func observesRoutes(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	server.install(t, resourceHTTPRoutes, resourceGateways)
	server.create(t, gatewayIn("shop", "local", "RELEASE"))
	o := observe(t, server.config, Options{})
	local := gwapiv1.ParentReference{Name: "local"}
	route, fence := httpRouteIn("shop", "orders", local), httpRouteIn("shop", "fence", local)
	server.create(t, route, fence)
	o.expectAnnounced(t, ordersRef, 0)
	o.expectVerdict(t, neverPublished, nil)
	server.accept(t, route, metav1.ConditionTrue, "")
	o.expectVerdict(t, publishedBy(1), nil)

	// What changes no verdict is not announced. The fence's event comes last.
	before := o.count(ordersRef)
	for _, message := range []string{"a", "b", "c"} {
		server.accept(t, route, metav1.ConditionTrue, message)
	}
	server.accept(t, fence, metav1.ConditionTrue, "")
	fenceRef := RouteRef{Kind: httpKind, Namespace: "shop", Name: "fence"}
	o.expectAnnounced(t, fenceRef, 1)
	g.Expect(o.count(ordersRef)).To(Equal(before))

	// A new generation that no controller has judged keeps the last verdict.
	server.change(t, route, func() {
		hostname := gwapiv1.PreciseHostname("orders.internal")
		route.Spec.Rules = []gwapiv1.HTTPRouteRule{{Filters: []gwapiv1.HTTPRouteFilter{{
			Type: gwapiv1.HTTPRouteFilterURLRewrite, URLRewrite: &gwapiv1.HTTPURLRewriteFilter{Hostname: &hostname},
		}}}}
	})
	o.expectVerdict(t, restingOn(publishedBy(1)), count32(1))
	o.expectVerdict(t, restingOn(neverPublished), nil)
	g.Expect(o.Rewrites(httpKind, "shop", "orders")).To(Equal([]publication.Rewrite{{Field: "spec.rules[0].filters[0]", Host: true}}))
	server.accept(t, route, metav1.ConditionFalse, "")
	o.expectVerdict(t, offlineNow, count32(1))

	before = o.count(ordersRef)
	server.delete(t, route)
	o.expectAnnounced(t, ordersRef, before)
	g.Expect(o.Rewrites(httpKind, "shop", "orders")).To(BeEmpty())
}

func keepsVerdictsOverRestart(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	server.install(t, resourceHTTPRoutes, resourceGateways)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	for range 3 {
		o := observe(t, server.config, Options{})
		g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", count32(1))).To(Equal(publishedBy(1)))
		o.stop()
		g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", count32(1))).To(Equal(publishedBy(1)))
	}

	notStarted, err := New(server.config, Options{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(notStarted.Publication(httpKind, "shop", "orders", "RELEASE", count32(1))).To(Equal(restingOn(publishedBy(1))))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	g.Expect(notStarted.WaitForSync(ended)).To(MatchError(ContainSubstring("wait for the Gateway API's objects")))
	g.Expect(notStarted.Start(ended)).To(Succeed())
	g.Expect(notStarted.Start(ended)).To(MatchError("the gateway observer was started already"))
}

func survivesFailingDiscovery(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	server.install(t, resourceHTTPRoutes, resourceGateways)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	var fault faults
	o := observe(t, fault.wrap(server.config), Options{})
	o.expectVerdict(t, publishedBy(1), nil)

	fault.fail("/gateway.networking.k8s.io/v1")
	g.Eventually(fault.count, gatewaySoon, gatewayPoll).Should(BeNumerically(">=", 3))
	g.Expect(o.Unreadable()).To(Equal([]string{"discovery: ServiceUnavailable"}))
	g.Expect(o.logs("Cannot find out")).To(Equal(1))
	o.expectVerdict(t, publishedBy(1), nil)
	server.accept(t, route, metav1.ConditionFalse, "")
	o.expectVerdict(t, offlineNow, count32(1))

	fault.fail("")
	g.Eventually(o.Unreadable, gatewaySoon, gatewayPoll).Should(BeEmpty())
	g.Expect(o.logs("Can find out again")).To(Equal(1))
}

func survivesFailingList(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	server.install(t, resourceHTTPRoutes, resourceGateways)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	var fault faults
	fault.fail("/gateways")
	o := observe(t, fault.wrap(server.config), Options{})
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", nil)).To(Equal(restingOn(neverPublished)))
	o.expectVerdict(t, restingOn(publishedBy(1)), count32(1))
	g.Expect(o.Unreadable()).To(Equal([]string{"gateways: ServiceUnavailable"}))

	before := o.count(allGRPC)
	fault.fail("")
	o.expectVerdict(t, publishedBy(1), nil)
	o.expectAnnounced(t, allGRPC, before)
	g.Eventually(o.Unreadable, gatewaySoon, gatewayPoll).Should(BeEmpty())
}

func observesNamespaces(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	server.install(t, resourceHTTPRoutes, resourceGRPCRoutes, resourceGateways, resourceListenerSets)
	all := []string{resourceHTTPRoutes, resourceGRPCRoutes, resourceGateways, resourceListenerSets}
	server.allow(t, "tenant", "shop", all...)
	server.allow(t, "tenant", "infra", resourceGateways, resourceListenerSets)
	public, local := gatewayIn("infra", "public", "RELEASE"), gatewayIn("shop", "local", "RELEASE")
	hidden := gatewayIn("default", "hidden", "RELEASE")
	set := listenerSetIn("infra", "extra", gatewayIn("infra", "third", "RELEASE"))
	parents := []gwapiv1.ParentReference{
		{Name: "local"}, parentRef("Gateway", "infra", "public"), parentRef("Gateway", "default", "hidden"),
		parentRef("ListenerSet", "infra", "extra"),
	}
	route, foreign := httpRouteIn("shop", "orders", parents...), httpRouteIn("infra", "orders", parents...)
	server.create(t, public, local, hidden, set, gatewayIn("infra", "third", "RELEASE"), route, foreign)
	server.accept(t, route, metav1.ConditionTrue, "")
	server.accept(t, foreign, metav1.ConditionTrue, "")

	o := observe(t, server.as(t, "tenant"), Options{
		Namespaces: []string{"shop"}, GatewayNamespaces: []string{"infra", "shop"},
	})
	g.Expect(o.Unreadable()).To(BeEmpty())
	g.Expect(o.watchesNow()).To(HaveLen(6))
	g.Expect(o.Publication(httpKind, "shop", "orders", "RELEASE", nil)).To(Equal(publishedBy(3)))
	g.Expect(o.Publication(httpKind, "infra", "orders", "RELEASE", nil)).To(Equal(neverPublished))
	before := o.count(ordersRef)
	server.change(t, public, func() { public.Labels = nil })
	o.expectVerdict(t, publishedBy(2), nil)
	o.expectAnnounced(t, ordersRef, before)
}

func survivesForbiddenKinds(t *testing.T, server *gatewayServer) {
	g := NewWithT(t)
	server.install(t, resourceHTTPRoutes, resourceGateways, resourceListenerSets)
	server.allow(t, "limited", "shop", resourceHTTPRoutes)
	route := httpRouteIn("shop", "orders", gwapiv1.ParentReference{Name: "local"})
	server.create(t, gatewayIn("shop", "local", "RELEASE"), route)
	server.accept(t, route, metav1.ConditionTrue, "")
	o := observe(t, server.as(t, "limited"), Options{Namespaces: []string{"shop"}})
	g.Expect(o.Unreadable()).To(Equal([]string{"gateways in namespace shop: Forbidden", "listenersets in namespace shop: Forbidden"}))
	_, presence := o.Route(httpKind, "shop", "orders")
	g.Expect(presence).To(Equal(publication.Present))
	o.expectVerdict(t, restingOn(neverPublished), nil)
	o.expectVerdict(t, restingOn(publishedBy(1)), count32(4))

	before := o.count(allHTTP)
	server.allow(t, "limited", "shop", resourceGateways)
	o.expectVerdict(t, publishedBy(1), nil)
	o.expectAnnounced(t, allHTTP, before)
	g.Expect(o.Unreadable()).To(Equal([]string{"listenersets in namespace shop: Forbidden"}))
	g.Expect(o.logs("Not allowed to read this")).To(Equal(2), "once for each kind")
	g.Expect(o.logs("Can read this again")).To(Equal(1))
}
