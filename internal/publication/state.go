// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// Topology looks up the parents of routes. Environment and Gateway must be set, and
// Reason for a Cause.
type Topology struct {
	// Environment returns the value of the Gateway's environment label, empty if it
	// has none.
	Environment func(gateway types.NamespacedName) (string, Presence)
	// Gateway returns the Gateway that the ListenerSet is attached to, without a name
	// if its parent is not a Gateway.
	Gateway func(listenerSet types.NamespacedName) (types.NamespacedName, Presence)
	// Reason returns why objects of the kind are not read in the namespace: a reason of
	// the API server or of this package, empty before the first answer.
	Reason func(kind, namespace string) string
}

// State is the publication of a route in an environment.
type State struct {
	// Gateways is the number of Gateways of the environment that accept the route:
	// nil if it was never published there, 0 if it was published and no longer is.
	Gateways *int32
	// Published is true if Gateways is at least 1.
	Published bool
	// RestsOnLast is true if some parents are unknown now, and the last State stands
	// for them.
	RestsOnLast bool
}

// KeepLast returns the State while nothing is known about the route.
func KeepLast(last *int32) State {
	return newState(last, ptr.Deref(last, 0), true)
}

// NotThere returns the State of a route that does not exist.
func NotThere(last *int32) State {
	return newState(last, 0, false)
}

func newState(last *int32, gateways int32, restsOnLast bool) State {
	state := State{Published: gateways > 0, RestsOnLast: restsOnLast}
	if last != nil || gateways > 0 {
		state.Gateways = &gateways
	}
	return state
}

// State returns the publication of the route in the environment. last is Gateways of
// the last State of this route in the same environment, nil if there was none.
// Gateways that certainly serve the route, or certainly do not, are counted. For the
// others, which are stale or cannot be read, the last count stands as far as it is
// still possible.
func (r Route) State(environment string, topology Topology, last *int32) State {
	certain := map[ParentKey]bool{}
	for _, parent := range r.Parents {
		gateway, finding := resolve(parent.ParentKey, environment, topology)
		switch {
		case finding != Serving && finding != NotRead:
		case finding == Serving && !parent.Stale:
			certain[gateway] = true
		case !certain[gateway]:
			certain[gateway] = false
		}
	}
	var serving, unknown int32
	for _, isCertain := range certain {
		if isCertain {
			serving++
		} else {
			unknown++
		}
	}
	gateways := min(max(ptr.Deref(last, 0), serving), serving+unknown)
	return newState(last, gateways, unknown > 0)
}

// resolve returns the Gateway of a parent that has accepted a route. If the Gateway was
// not found, the key is that of the object that was looked up last.
func resolve(parent ParentKey, environment string, topology Topology) (ParentKey, Finding) {
	name := types.NamespacedName{Namespace: parent.Namespace, Name: parent.Name}
	if parent.Kind == KindListenerSet {
		gateway, presence := topology.Gateway(name)
		switch {
		case presence != Present:
			return parent, presence.Finding()
		case gateway.Name == "":
			return parent, NotUnderstood
		}
		name = gateway
	}
	key := ParentKey{Kind: KindGateway, Namespace: name.Namespace, Name: name.Name}
	label, presence := topology.Environment(name)
	if presence == Present && label != environment {
		return key, NotAccepted
	}
	return key, presence.Finding()
}
