// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Kinds of parents through which a route can be published.
const (
	KindGateway     = "Gateway"
	KindListenerSet = "ListenerSet"
)

// Presence is what is known about the existence of an object.
type Presence int

const (
	// Unknown means that the object cannot be read now: no conclusion is allowed.
	Unknown Presence = iota
	// Absent means that the object does not exist.
	Absent
	// Present means that the object exists.
	Present
)

// Finding returns what the presence of a route or of a parent means.
func (p Presence) Finding() Finding {
	switch p {
	case Present:
		return Serving
	case Absent:
		return NotFound
	default:
		return NotRead
	}
}

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
	// Stale is true if the last Accepted condition is of an older generation of the
	// route, whatever its status: whether the current one is accepted is unknown.
	Stale bool
}

// Route is the part of a route that its publication depends on. Two routes that are
// Equal have the same State and Cause in every environment.
type Route struct {
	// Parents through which the route is or may be accepted, each once. Parents that
	// have refused it, or have no condition for it yet, are omitted.
	Parents []Parent
	// Unsupported are the kinds of other parents that the route lists, each once, with
	// their group as in Service or XListenerSet.gateway.networking.x-k8s.io.
	Unsupported []string
	// Rewrites are the filters that rewrite path or host.
	Rewrites []Rewrite
}

// Equal reports whether both routes have the same parents and rewrites.
func (r Route) Equal(other Route) bool {
	return slices.Equal(r.Parents, other.Parents) && slices.Equal(r.Unsupported, other.Unsupported) &&
		slices.Equal(r.Rewrites, other.Rewrites)
}

// OfHTTPRoute extracts the Route from an HTTPRoute.
func OfHTTPRoute(route *gwapiv1.HTTPRoute) Route {
	return Route{
		Parents:     parents(&route.ObjectMeta, route.Spec.ParentRefs, route.Status.Parents),
		Unsupported: unsupported(route.Spec.ParentRefs),
		Rewrites:    httpRewrites(route.Spec.Rules),
	}
}

// OfGRPCRoute extracts the Route from a GRPCRoute.
func OfGRPCRoute(route *gwapiv1.GRPCRoute) Route {
	return Route{
		Parents:     parents(&route.ObjectMeta, route.Spec.ParentRefs, route.Status.Parents),
		Unsupported: unsupported(route.Spec.ParentRefs),
		Rewrites:    grpcRewrites(route.Spec.Rules),
	}
}

// GatewayOfListenerSet returns the Gateway that the ListenerSet is attached to, and
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

// reference is a ParentReference with its defaults applied, so that two can be
// compared.
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

func (r reference) isSupported() bool {
	return r.group == gwapiv1.GroupName && (r.Kind == KindGateway || r.Kind == KindListenerSet)
}

// unsupported returns the kinds of parents that parents skips.
func unsupported(refs []gwapiv1.ParentReference) []string {
	var kinds []string
	for _, parentRef := range refs {
		if ref := newReference("", parentRef); !ref.isSupported() {
			kinds = append(kinds, schema.GroupKind{Group: string(ref.group), Kind: ref.Kind}.String())
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// acceptance is the answer of a parent. The values are in ascending order of
// precedence where a route lists a parent more than once (with several listeners).
type acceptance int

const (
	notAccepted acceptance = iota
	stale
	accepted
)

// parents joins the parents that the spec lists with their statuses. Statuses of
// parents that the spec no longer lists are outdated and ignored.
func parents(route *metav1.ObjectMeta, refs []gwapiv1.ParentReference, statuses []gwapiv1.RouteParentStatus) []Parent {
	var order []ParentKey
	best := map[ParentKey]acceptance{}
	seen := map[reference]bool{}
	for _, parentRef := range refs {
		ref := newReference(route.Namespace, parentRef)
		if !ref.isSupported() || seen[ref] {
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

// acceptanceOf returns the answer of one parent. Several controllers may have
// written a status for it, and one of them may no longer be responsible: acceptance
// by any of them counts, and an answer for the current generation takes precedence
// over those for older ones.
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

// isStale reports whether the condition is of an older generation. A condition
// without a generation (zero) counts as current, since its controller never sets one.
func isStale(condition *metav1.Condition, generation int64) bool {
	return condition.ObservedGeneration != 0 && condition.ObservedGeneration < generation
}
