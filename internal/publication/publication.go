// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// The kinds of parents through which a route can be published.
const (
	KindGateway     = "Gateway"
	KindListenerSet = "ListenerSet"
)

// Presence is what is known of an object.
type Presence int

const (
	// Unknown: it cannot be read at the moment, so nothing may be concluded.
	Unknown Presence = iota
	// Absent: it is not there.
	Absent
	// Present: it is there.
	Present
)

// ParentKey names a Gateway or a ListenerSet.
type ParentKey struct {
	// Kind is KindGateway or KindListenerSet.
	Kind      string
	Namespace string
	Name      string
}

// Parent is a parent of a route through which it is, or may be, accepted.
type Parent struct {
	ParentKey
	// Stale says that acceptance was last judged for an older generation of
	// the route, whatever the outcome was: it is unknown for this one.
	Stale bool
}

// Route is what of a route matters for its publication. Two routes that are
// Equal have the same verdict in every environment.
type Route struct {
	// Parents through which the route is or may be accepted, each once. Those
	// that have refused it or have not judged it yet are left out.
	Parents []Parent
	// Rewrites are the places where path or host are rewritten.
	Rewrites []Rewrite
}

// Equal says whether both have the same parents and rewrites.
func (r Route) Equal(other Route) bool {
	return slices.Equal(r.Parents, other.Parents) && slices.Equal(r.Rewrites, other.Rewrites)
}

// OfHTTPRoute extracts what matters.
func OfHTTPRoute(route *gwapiv1.HTTPRoute) Route {
	return Route{
		Parents:  parents(&route.ObjectMeta, route.Spec.ParentRefs, route.Status.Parents),
		Rewrites: httpRewrites(route.Spec.Rules),
	}
}

// OfGRPCRoute extracts what matters.
func OfGRPCRoute(route *gwapiv1.GRPCRoute) Route {
	return Route{
		Parents:  parents(&route.ObjectMeta, route.Spec.ParentRefs, route.Status.Parents),
		Rewrites: grpcRewrites(route.Spec.Rules),
	}
}

// GatewayOfListenerSet returns the Gateway that the ListenerSet is attached to;
// false if its parent is of another kind.
func GatewayOfListenerSet(set *gwapiv1.ListenerSet) (types.NamespacedName, bool) {
	ref := set.Spec.ParentRef
	if ptr.Deref(ref.Group, gwapiv1.GroupName) != gwapiv1.GroupName || ptr.Deref(ref.Kind, KindGateway) != KindGateway {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{
		Namespace: string(ptr.Deref(ref.Namespace, gwapiv1.Namespace(set.Namespace))),
		Name:      string(ref.Name),
	}, true
}

// reference is a ParentReference with its defaults filled in, comparable.
type reference struct {
	ParentKey
	group       gwapiv1.Group
	sectionName gwapiv1.SectionName
	port        gwapiv1.PortNumber
}

func newReference(namespace string, ref gwapiv1.ParentReference) reference {
	return reference{
		ParentKey: ParentKey{
			Kind:      string(ptr.Deref(ref.Kind, KindGateway)),
			Namespace: string(ptr.Deref(ref.Namespace, gwapiv1.Namespace(namespace))),
			Name:      string(ref.Name),
		},
		group:       ptr.Deref(ref.Group, gwapiv1.GroupName),
		sectionName: ptr.Deref(ref.SectionName, ""),
		port:        ptr.Deref(ref.Port, 0),
	}
}

func (r reference) counts() bool {
	return r.group == gwapiv1.GroupName && (r.Kind == KindGateway || r.Kind == KindListenerSet)
}

// acceptance orders what parents say of a route by what prevails where a parent
// is listed more than once (with several listeners).
type acceptance int

const (
	notAccepted acceptance = iota
	stale
	accepted
)

// parents joins what the spec lists with what the status says of it. Status
// about parents that the spec lists no more is of the past and left out.
func parents(route *metav1.ObjectMeta, refs []gwapiv1.ParentReference, statuses []gwapiv1.RouteParentStatus) []Parent {
	var order []ParentKey
	best := map[ParentKey]acceptance{}
	seen := map[reference]bool{}
	for _, parentRef := range refs {
		ref := newReference(route.Namespace, parentRef)
		if !ref.counts() || seen[ref] {
			continue
		}
		seen[ref] = true
		if _, known := best[ref.ParentKey]; !known {
			order = append(order, ref.ParentKey)
		}
		best[ref.ParentKey] = max(best[ref.ParentKey], acceptanceOf(route, ref, statuses))
	}
	var found []Parent
	for _, key := range order {
		if best[key] != notAccepted {
			found = append(found, Parent{ParentKey: key, Stale: best[key] == stale})
		}
	}
	slices.SortFunc(found, func(a, b Parent) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// acceptanceOf is what the status says of one reference. Several controllers
// may have written about it, one of them perhaps no longer in charge: any that
// accepts counts, and a word on this generation outweighs those on older ones.
func acceptanceOf(route *metav1.ObjectMeta, ref reference, statuses []gwapiv1.RouteParentStatus) acceptance {
	var current, older bool
	for i := range statuses {
		if newReference(route.Namespace, statuses[i].ParentRef) != ref {
			continue
		}
		condition := meta.FindStatusCondition(statuses[i].Conditions, string(gwapiv1.RouteConditionAccepted))
		switch {
		case condition == nil:
		case isStale(condition, route.Generation):
			older = true
		case condition.Status == metav1.ConditionTrue:
			return accepted
		default:
			current = true
		}
	}
	if older && !current {
		return stale
	}
	return notAccepted
}

// isStale says whether the condition is of an older generation. A condition
// that names none (zero) is taken as of the present one: it will never name any.
func isStale(condition *metav1.Condition, generation int64) bool {
	return condition.ObservedGeneration != 0 && condition.ObservedGeneration < generation
}
