// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const generation = 7

type refOption func(*gwapiv1.ParentReference)

func ref(name string, options ...refOption) gwapiv1.ParentReference {
	made := gwapiv1.ParentReference{Name: gwapiv1.ObjectName(name)}
	for _, option := range options {
		option(&made)
	}
	return made
}

func inNamespace(namespace string) refOption {
	return func(r *gwapiv1.ParentReference) { r.Namespace = ptr.To(gwapiv1.Namespace(namespace)) }
}

func ofKind(group, kind string) refOption {
	return func(r *gwapiv1.ParentReference) {
		r.Group, r.Kind = ptr.To(gwapiv1.Group(group)), ptr.To(gwapiv1.Kind(kind))
	}
}

func listener(name string) refOption {
	return func(r *gwapiv1.ParentReference) { r.SectionName = ptr.To(gwapiv1.SectionName(name)) }
}

func onPort(port int32) refOption {
	return func(r *gwapiv1.ParentReference) { r.Port = ptr.To(port) }
}

func listenerSet(name string, options ...refOption) gwapiv1.ParentReference {
	return ref(name, append(options, ofKind(gwapiv1.GroupName, KindListenerSet))...)
}

func withAccepted(ref gwapiv1.ParentReference, status metav1.ConditionStatus, generation int64) gwapiv1.RouteParentStatus {
	return gwapiv1.RouteParentStatus{
		ParentRef:      ref,
		ControllerName: "example.com/controller",
		Conditions: []metav1.Condition{
			{Type: "ResolvedRefs", Status: metav1.ConditionTrue, ObservedGeneration: generation},
			{Type: "Accepted", Status: status, ObservedGeneration: generation},
		},
	}
}

func acceptedBy(ref gwapiv1.ParentReference) gwapiv1.RouteParentStatus {
	return withAccepted(ref, metav1.ConditionTrue, generation)
}

func refusedBy(ref gwapiv1.ParentReference) gwapiv1.RouteParentStatus {
	return withAccepted(ref, metav1.ConditionFalse, generation)
}

func staleBy(ref gwapiv1.ParentReference) gwapiv1.RouteParentStatus {
	return withAccepted(ref, metav1.ConditionTrue, generation-1)
}

func httpRoute(refs []gwapiv1.ParentReference, statuses []gwapiv1.RouteParentStatus) *gwapiv1.HTTPRoute {
	route := &gwapiv1.HTTPRoute{}
	route.Namespace, route.Name, route.Generation = "shop", "orders", generation
	route.Spec.ParentRefs = refs
	route.Status.Parents = statuses
	return route
}

// testTopology has, in the namespace of the route, the Gateways "one" and "two" of
// RELEASE, "staging", "bare" without a label, and "dark", which cannot be read; and
// "one" of RELEASE in infra. ListenerSets are named after their Gateway; that of set-odd
// is of another kind.
func testTopology() Topology {
	environments := map[string]string{
		"shop/one": "RELEASE", "shop/two": "RELEASE", "shop/staging": "staging", "shop/bare": "", "infra/one": "RELEASE",
	}
	sets := map[string]types.NamespacedName{
		"shop/set-one":     {Namespace: "shop", Name: "one"},
		"shop/set-two":     {Namespace: "shop", Name: "two"},
		"shop/set-staging": {Namespace: "shop", Name: "staging"},
		"shop/set-nowhere": {Namespace: "shop", Name: "nowhere"},
		"shop/set-odd":     {},
		"shop/set-unread":  {Namespace: "shop", Name: "dark"},
		"infra/set-one":    {Namespace: "infra", Name: "one"},
	}
	return Topology{
		Environment: func(gateway types.NamespacedName) (string, Presence) {
			if gateway.Name == "dark" {
				return "", Unknown
			}
			environment, ok := environments[gateway.String()]
			if !ok {
				return "", Absent
			}
			return environment, Present
		},
		Gateway: func(set types.NamespacedName) (types.NamespacedName, Presence) {
			if set.Name == "dark" {
				return types.NamespacedName{}, Unknown
			}
			gateway, ok := sets[set.String()]
			if !ok {
				return types.NamespacedName{}, Absent
			}
			return gateway, Present
		},
		Reason: func(_, namespace string) string {
			return map[string]string{"shop": "Forbidden", "infra": ReasonNotWatched, "bare": ReasonNotInstalled}[namespace]
		},
	}
}

type refs = []gwapiv1.ParentReference
type statuses = []gwapiv1.RouteParentStatus

var (
	never   = State{}
	offline = State{Gateways: ptr.To(int32(0))}

	one = ref("one")
	two = ref("two")
)

func published(gateways int32) State {
	return State{Gateways: &gateways, Published: true}
}

func resting(state State) State {
	state.RestsOnLast = true
	return state
}

// stateCases are the states of a route in RELEASE.
var stateCases = map[string]struct {
	refs     refs
	statuses statuses
	last     *int32
	want     State
}{
	"no parents":                    {want: never},
	"no longer any parents":         {last: ptr.To(int32(2)), want: offline},
	"no condition yet":              {refs: refs{one}, want: never},
	"accepted":                      {refs: refs{one}, statuses: statuses{acceptedBy(one)}, want: published(1)},
	"refused":                       {refs: refs{one}, statuses: statuses{refusedBy(one)}, want: never},
	"refused now":                   {refs: refs{one}, statuses: statuses{refusedBy(one)}, last: ptr.To(int32(1)), want: offline},
	"undecided":                     {refs: refs{one}, statuses: statuses{withAccepted(one, metav1.ConditionUnknown, generation)}, want: never},
	"no Accepted condition":         {refs: refs{one}, statuses: statuses{{ParentRef: one}}, want: never},
	"offline stays offline":         {refs: refs{one}, last: ptr.To(int32(0)), want: offline},
	"back from offline":             {refs: refs{one}, statuses: statuses{acceptedBy(one)}, last: ptr.To(int32(0)), want: published(1)},
	"two Gateways":                  {refs: refs{one, two}, statuses: statuses{acceptedBy(one), acceptedBy(two)}, want: published(2)},
	"one of two":                    {refs: refs{one, two}, statuses: statuses{acceptedBy(one), refusedBy(two)}, last: ptr.To(int32(2)), want: published(1)},
	"other environment":             {refs: refs{ref("staging")}, statuses: statuses{acceptedBy(ref("staging"))}, want: never},
	"Gateway without label":         {refs: refs{ref("bare")}, statuses: statuses{acceptedBy(ref("bare"))}, want: never},
	"Gateway gone":                  {refs: refs{ref("gone")}, statuses: statuses{acceptedBy(ref("gone"))}, last: ptr.To(int32(1)), want: offline},
	"namespace omitted in status":   {refs: refs{ref("one", inNamespace("shop"))}, statuses: statuses{acceptedBy(one)}, want: published(1)},
	"namespace omitted in spec":     {refs: refs{one}, statuses: statuses{acceptedBy(ref("one", inNamespace("shop")))}, want: published(1)},
	"Gateway in another namespace":  {refs: refs{ref("one", inNamespace("infra"))}, statuses: statuses{acceptedBy(ref("one", inNamespace("infra")))}, want: published(1)},
	"same name in two namespaces":   {refs: refs{one, ref("one", inNamespace("infra"))}, statuses: statuses{acceptedBy(one), acceptedBy(ref("one", inNamespace("infra")))}, want: published(2)},
	"not in the route's namespace":  {refs: refs{ref("two", inNamespace("infra"))}, statuses: statuses{acceptedBy(ref("two", inNamespace("infra")))}, want: never},
	"group and kind spelled out":    {refs: refs{ref("one", ofKind(gwapiv1.GroupName, "Gateway"))}, statuses: statuses{acceptedBy(one)}, want: published(1)},
	"a Service of a mesh":           {refs: refs{ref("one", ofKind("", "Service"))}, statuses: statuses{acceptedBy(ref("one", ofKind("", "Service")))}, want: never},
	"a Gateway of another group":    {refs: refs{ref("one", ofKind("networking.istio.io", "Gateway"))}, statuses: statuses{acceptedBy(ref("one", ofKind("networking.istio.io", "Gateway")))}, want: never},
	"an experimental XListenerSet":  {refs: refs{ref("set-one", ofKind("gateway.networking.x-k8s.io", "XListenerSet"))}, statuses: statuses{acceptedBy(ref("set-one", ofKind("gateway.networking.x-k8s.io", "XListenerSet")))}, want: never},
	"no longer listed":              {refs: refs{two}, statuses: statuses{acceptedBy(one)}, last: ptr.To(int32(1)), want: offline},
	"listener no longer listed":     {refs: refs{ref("one", listener("web"))}, statuses: statuses{acceptedBy(ref("one", listener("tls")))}, want: never},
	"port no longer listed":         {refs: refs{ref("one", onPort(80))}, statuses: statuses{acceptedBy(ref("one", onPort(443)))}, want: never},
	"two listeners of one Gateway":  {refs: refs{ref("one", listener("a")), ref("one", listener("b"))}, statuses: statuses{acceptedBy(ref("one", listener("a"))), acceptedBy(ref("one", listener("b")))}, want: published(1)},
	"one of two listeners":          {refs: refs{ref("one", listener("a")), ref("one", listener("b"))}, statuses: statuses{refusedBy(ref("one", listener("a"))), acceptedBy(ref("one", listener("b")))}, want: published(1)},
	"other listener stale":          {refs: refs{ref("one", listener("a")), ref("one", listener("b"))}, statuses: statuses{staleBy(ref("one", listener("a"))), acceptedBy(ref("one", listener("b")))}, want: published(1)},
	"refused, other listener stale": {refs: refs{ref("one", listener("a")), ref("one", listener("b"))}, statuses: statuses{staleBy(ref("one", listener("a"))), refusedBy(ref("one", listener("b")))}, last: ptr.To(int32(1)), want: resting(published(1))},

	"stale, never published":           {refs: refs{one}, statuses: statuses{staleBy(one)}, want: resting(never)},
	"stale, published":                 {refs: refs{one}, statuses: statuses{staleBy(one)}, last: ptr.To(int32(1)), want: resting(published(1))},
	"stale, offline":                   {refs: refs{one}, statuses: statuses{staleBy(one)}, last: ptr.To(int32(0)), want: resting(offline)},
	"stale refusal, published":         {refs: refs{one}, statuses: statuses{withAccepted(one, metav1.ConditionFalse, generation-1)}, last: ptr.To(int32(1)), want: resting(published(1))},
	"stale, of another environment":    {refs: refs{ref("staging")}, statuses: statuses{staleBy(ref("staging"))}, last: ptr.To(int32(1)), want: offline},
	"stale, no longer listed":          {refs: refs{two}, statuses: statuses{staleBy(one)}, last: ptr.To(int32(1)), want: offline},
	"stale, but fewer can be":          {refs: refs{one}, statuses: statuses{staleBy(one)}, last: ptr.To(int32(3)), want: resting(published(1))},
	"both stale":                       {refs: refs{one, two}, statuses: statuses{staleBy(one), staleBy(two)}, last: ptr.To(int32(2)), want: resting(published(2))},
	"one accepted, one stale":          {refs: refs{one, two}, statuses: statuses{acceptedBy(one), staleBy(two)}, last: ptr.To(int32(2)), want: resting(published(2))},
	"one accepted, one stale, first":   {refs: refs{one, two}, statuses: statuses{acceptedBy(one), staleBy(two)}, want: resting(published(1))},
	"one accepted, one stale, offline": {refs: refs{one, two}, statuses: statuses{acceptedBy(one), staleBy(two)}, last: ptr.To(int32(0)), want: resting(published(1))},
	"one refused, one stale":           {refs: refs{one, two}, statuses: statuses{refusedBy(one), staleBy(two)}, last: ptr.To(int32(2)), want: resting(published(1))},
	"condition without a generation":   {refs: refs{one}, statuses: statuses{withAccepted(one, metav1.ConditionTrue, 0)}, want: published(1)},

	"accepted by a second controller":       {refs: refs{one}, statuses: statuses{refusedBy(one), acceptedBy(one)}, want: published(1)},
	"stale condition of another controller": {refs: refs{one}, statuses: statuses{staleBy(one), refusedBy(one)}, last: ptr.To(int32(1)), want: offline},

	"ListenerSet":                       {refs: refs{listenerSet("set-one")}, statuses: statuses{acceptedBy(listenerSet("set-one"))}, want: published(1)},
	"ListenerSet in another namespace":  {refs: refs{listenerSet("set-one", inNamespace("infra"))}, statuses: statuses{acceptedBy(listenerSet("set-one", inNamespace("infra")))}, want: published(1)},
	"ListenerSet and its own Gateway":   {refs: refs{one, listenerSet("set-one")}, statuses: statuses{acceptedBy(one), acceptedBy(listenerSet("set-one"))}, want: published(1)},
	"ListenerSet accepted, Gateway not": {refs: refs{one, listenerSet("set-one")}, statuses: statuses{refusedBy(one), acceptedBy(listenerSet("set-one"))}, want: published(1)},
	"ListenerSets of two Gateways":      {refs: refs{listenerSet("set-one"), listenerSet("set-two")}, statuses: statuses{acceptedBy(listenerSet("set-one")), acceptedBy(listenerSet("set-two"))}, want: published(2)},
	"ListenerSet of other environment":  {refs: refs{listenerSet("set-staging")}, statuses: statuses{acceptedBy(listenerSet("set-staging"))}, want: never},
	"ListenerSet without its Gateway":   {refs: refs{listenerSet("set-nowhere")}, statuses: statuses{acceptedBy(listenerSet("set-nowhere"))}, last: ptr.To(int32(1)), want: offline},
	"ListenerSet of no Gateway":         {refs: refs{listenerSet("set-odd")}, statuses: statuses{acceptedBy(listenerSet("set-odd"))}, last: ptr.To(int32(1)), want: offline},
	"ListenerSet gone":                  {refs: refs{listenerSet("set-gone")}, statuses: statuses{acceptedBy(listenerSet("set-gone"))}, last: ptr.To(int32(1)), want: offline},
	"Gateway named like a ListenerSet":  {refs: refs{listenerSet("one")}, statuses: statuses{acceptedBy(one)}, want: never},

	"Gateway unreadable":                        {refs: refs{ref("dark")}, statuses: statuses{acceptedBy(ref("dark"))}, last: ptr.To(int32(1)), want: resting(published(1))},
	"Gateway unreadable, never published":       {refs: refs{ref("dark")}, statuses: statuses{acceptedBy(ref("dark"))}, want: resting(never)},
	"Gateway unreadable, refused":               {refs: refs{ref("dark")}, statuses: statuses{refusedBy(ref("dark"))}, last: ptr.To(int32(1)), want: offline},
	"ListenerSet unreadable":                    {refs: refs{listenerSet("dark")}, statuses: statuses{acceptedBy(listenerSet("dark"))}, last: ptr.To(int32(1)), want: resting(published(1))},
	"ListenerSet of unreadable Gateway":         {refs: refs{listenerSet("set-unread"), ref("dark")}, statuses: statuses{acceptedBy(listenerSet("set-unread")), acceptedBy(ref("dark"))}, last: ptr.To(int32(2)), want: resting(published(1))},
	"unreadable in addition to an accepted one": {refs: refs{one, ref("dark")}, statuses: statuses{acceptedBy(one), acceptedBy(ref("dark"))}, last: ptr.To(int32(2)), want: resting(published(2))},
}

func TestState(t *testing.T) {
	for name, tc := range stateCases {
		t.Run(name, func(t *testing.T) {
			http := httpRoute(tc.refs, tc.statuses)
			grpc := &gwapiv1.GRPCRoute{ObjectMeta: http.ObjectMeta}
			grpc.Spec.ParentRefs, grpc.Status.Parents = tc.refs, tc.statuses
			for kind, route := range map[string]Route{"HTTPRoute": OfHTTPRoute(http), "GRPCRoute": OfGRPCRoute(grpc)} {
				if diff := cmp.Diff(tc.want, route.State("RELEASE", testTopology(), tc.last)); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", kind, diff)
				}
			}
		})
	}
}

func TestStateIsThatOfOneEnvironment(t *testing.T) {
	parents := refs{ref("one"), ref("staging")}
	route := OfHTTPRoute(httpRoute(parents, statuses{acceptedBy(parents[0]), staleBy(parents[1])}))
	if diff := cmp.Diff(State{Gateways: ptr.To(int32(1)), Published: true}, route.State("RELEASE", testTopology(), nil)); diff != "" {
		t.Errorf("RELEASE (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(State{RestsOnLast: true}, route.State("staging", testTopology(), nil)); diff != "" {
		t.Errorf("staging (-want +got)\n%s", diff)
	}
}

func TestStateWithoutRoute(t *testing.T) {
	cases := map[string]struct{ got, want State }{
		"gone, never published":    {NotThere(nil), State{}},
		"gone, published":          {NotThere(ptr.To(int32(2))), State{Gateways: ptr.To(int32(0))}},
		"unknown, never published": {KeepLast(nil), State{RestsOnLast: true}},
		"unknown, offline":         {KeepLast(ptr.To(int32(0))), State{Gateways: ptr.To(int32(0)), RestsOnLast: true}},
		"unknown, published":       {KeepLast(ptr.To(int32(2))), State{Gateways: ptr.To(int32(2)), Published: true, RestsOnLast: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The caller keeps the count: it must not share memory with the last one.
func TestStateDoesNotAliasLast(t *testing.T) {
	last := ptr.To(int32(1))
	state := KeepLast(last)
	*last = 5
	if *state.Gateways != 1 {
		t.Errorf("Gateways = %d, want 1", *state.Gateways)
	}
}

func TestRouteEqual(t *testing.T) {
	base := func() *gwapiv1.HTTPRoute {
		return httpRoute(refs{one, two}, statuses{acceptedBy(one), refusedBy(two)})
	}
	cases := map[string]struct {
		change func(*gwapiv1.HTTPRoute)
		equal  bool
	}{
		"nothing": {change: func(*gwapiv1.HTTPRoute) {}, equal: true},
		"order and message": {change: func(r *gwapiv1.HTTPRoute) {
			r.Spec.ParentRefs = refs{two, one}
			r.Status.Parents[0].Conditions[1].Message = "routed"
		}, equal: true},
		"another condition": {change: func(r *gwapiv1.HTTPRoute) {
			r.Status.Parents[0].Conditions[0].Status = metav1.ConditionFalse
		}, equal: true},
		"also accepted by the other": {change: func(r *gwapiv1.HTTPRoute) {
			r.Status.Parents[1].Conditions[1].Status = metav1.ConditionTrue
		}},
		"parents of another kind": {change: func(r *gwapiv1.HTTPRoute) {
			r.Spec.ParentRefs = append(r.Spec.ParentRefs, ref("one", ofKind("", "Service")))
		}},
		"spec changed": {change: func(r *gwapiv1.HTTPRoute) { r.Generation++ }},
		"rewrites": {change: func(r *gwapiv1.HTTPRoute) {
			r.Spec.Rules = []gwapiv1.HTTPRouteRule{{Filters: []gwapiv1.HTTPRouteFilter{hostHeader("Host")}}}
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			changed := base()
			tc.change(changed)
			if got := OfHTTPRoute(base()).Equal(OfHTTPRoute(changed)); got != tc.equal {
				t.Errorf("Equal = %v, want %v", got, tc.equal)
			}
		})
	}
}

func TestGatewayOfListenerSet(t *testing.T) {
	type parent = gwapiv1.ParentGatewayReference
	cases := map[string]struct {
		parent parent
		want   types.NamespacedName
		ok     bool
	}{
		"defaults":      {parent{Name: "one"}, types.NamespacedName{Namespace: "shop", Name: "one"}, true},
		"spelled out":   {parent{Name: "one", Namespace: ptr.To(gwapiv1.Namespace("infra")), Group: ptr.To(gwapiv1.Group(gwapiv1.GroupName)), Kind: ptr.To(gwapiv1.Kind("Gateway"))}, types.NamespacedName{Namespace: "infra", Name: "one"}, true},
		"another kind":  {parent{Name: "one", Kind: ptr.To(gwapiv1.Kind("ListenerSet"))}, types.NamespacedName{}, false},
		"another group": {parent{Name: "one", Group: ptr.To(gwapiv1.Group("example.com"))}, types.NamespacedName{}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			set := &gwapiv1.ListenerSet{}
			set.Namespace = "shop"
			set.Spec.ParentRef = tc.parent
			got, ok := GatewayOfListenerSet(set)
			if got != tc.want || ok != tc.ok {
				t.Errorf("got %v, %v; want %v, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}
