// SPDX-License-Identifier: Apache-2.0

package publication

// Finding is what was found of a route or of a parent that has accepted it. If several
// apply to a route, the highest value is reported.
type Finding int

const (
	// Serving means that a Gateway of the environment has accepted the route.
	Serving Finding = iota
	// NotAccepted means that everything was read, and no Gateway of the environment has
	// accepted the route.
	NotAccepted
	// NotFound means that the route, a parent or its Gateway does not exist.
	NotFound
	// NotUnderstood means that a parent is neither a Gateway nor a ListenerSet of a
	// Gateway.
	NotUnderstood
	// NotRead means that the route, a parent or its Gateway cannot be read.
	NotRead
)

// Reasons of a Cause, in addition to those of the API server.
const (
	// ReasonNotInstalled means that the cluster does not serve the kind.
	ReasonNotInstalled = "NotInstalled"
	// ReasonNotWatched means that the observer is configured without the namespace.
	ReasonNotWatched = "NotWatched"
)

// Cause is why a route is not published in an environment.
type Cause struct {
	Finding Finding
	// Kind of the object that does not exist or is not read. If it is not understood,
	// the kind of the parent with its group, as in Service or XListenerSet.example.com,
	// or ListenerSet if its own parent is not understood.
	Kind string
	// Namespace of the object that is not read.
	Namespace string
	// Reason is why the object is not read; for one that does not exist,
	// ReasonNotInstalled or empty. If it is not read and Reason is empty, the first
	// answer is still missing.
	Reason string
}

// Cause returns why the route is not published in the environment.
func (r Route) Cause(environment string, topology Topology) Cause {
	cause := Cause{Finding: NotAccepted}
	if len(r.Unsupported) > 0 {
		cause = Cause{Finding: NotUnderstood, Kind: r.Unsupported[0]}
	}
	for _, parent := range r.Parents {
		if object, finding := resolve(parent.ParentKey, environment, topology); finding > cause.Finding {
			cause = NewCause(finding, object, topology.Reason)
		}
	}
	return cause
}

// NewCause returns the cause for an object that was found to be like this. reason
// returns why objects of a kind are not read in a namespace.
func NewCause(finding Finding, object ParentKey, reason func(kind, namespace string) string) Cause {
	cause := Cause{Finding: finding, Kind: object.Kind}
	switch finding {
	case NotRead:
		cause.Namespace, cause.Reason = object.Namespace, reason(object.Kind, object.Namespace)
	case NotFound:
		if reason(object.Kind, object.Namespace) == ReasonNotInstalled {
			cause.Reason = ReasonNotInstalled
		}
	case Serving, NotAccepted, NotUnderstood:
	}
	return cause
}
