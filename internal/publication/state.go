// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// Topology looks up what a route's parents are. Both functions must be set.
type Topology struct {
	// Environment is the environment that the Gateway is labelled with, empty
	// if it has no such label.
	Environment func(gateway types.NamespacedName) (string, Presence)
	// Gateway is the Gateway that the ListenerSet is attached to. A ListenerSet
	// whose parent is no Gateway counts as absent.
	Gateway func(listenerSet types.NamespacedName) (types.NamespacedName, Presence)
}

// State says how a route is published in an environment.
type State struct {
	// Gateways is the number of Gateways of the environment through which the
	// route is accepted: nil if it has never been published there, 0 if it was
	// and is not any more.
	Gateways *int32
	// Published says whether Gateways is at least 1.
	Published bool
	// RestsOnLast says that not all is known at the moment, and what is not
	// known was taken from the last verdict.
	RestsOnLast bool
}

// KeepLast is the verdict when nothing can be known at the moment.
func KeepLast(last *int32) State {
	return newState(last, ptr.Deref(last, 0), true)
}

// NotThere is the verdict on a route that does not exist.
func NotThere(last *int32) State {
	return newState(last, 0, false)
}

func newState(last *int32, gateways int32, restsOnLast bool) State {
	v := State{Published: gateways > 0, RestsOnLast: restsOnLast}
	if last != nil || gateways > 0 {
		v.Gateways = &gateways
	}
	return v
}

// State returns the verdict on the route in the environment. last is the Gateways
// of the last verdict on this route in the same environment, nil if there was
// none. Gateways that are sure to serve the route or sure not to are counted;
// for the others, which are stale or cannot be read, the last count stands as
// far as it can still be true.
func (r Route) State(environment string, topology Topology, last *int32) State {
	sure := map[ParentKey]bool{}
	for _, parent := range r.Parents {
		gateway, known := resolve(parent.ParentKey, environment, topology)
		switch {
		case known == Absent:
		case known == Present && !parent.Stale:
			sure[gateway] = true
		case !sure[gateway]:
			sure[gateway] = false
		}
	}
	var certain, open int32
	for _, isCertain := range sure {
		if isCertain {
			certain++
		} else {
			open++
		}
	}
	gateways := min(max(ptr.Deref(last, 0), certain), certain+open)
	return newState(last, gateways, open > 0)
}

// resolve finds the Gateway behind a parent: Present if it is of the
// environment, Absent if not. If Unknown, the key is that of the object which
// could not be read.
func resolve(parent ParentKey, environment string, topology Topology) (ParentKey, Presence) {
	name := types.NamespacedName{Namespace: parent.Namespace, Name: parent.Name}
	if parent.Kind == KindListenerSet {
		gateway, known := topology.Gateway(name)
		if known != Present {
			return parent, known
		}
		name = gateway
	}
	key := ParentKey{Kind: KindGateway, Namespace: name.Namespace, Name: name.Name}
	label, known := topology.Environment(name)
	if known == Present && label != environment {
		return key, Absent
	}
	return key, known
}
