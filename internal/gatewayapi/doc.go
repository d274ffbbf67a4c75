// SPDX-License-Identifier: Apache-2.0

// Package gatewayapi observes the routes, Gateways and ListenerSets of a cluster and
// answers queries about them from memory: is a route published in an environment, if
// not, why, and does it rewrite requests?
//
// Goals: the operator runs without the CRDs of the Gateway API, and notices when each
// kind is installed or removed. A namespace or kind that cannot be read delays nothing,
// and keeps the last state of its routes. Subscribers are notified only of changes that
// affect the state of a route. Of each object only the relevant part is kept.
//
// Non-goals: the package decides nothing about bindings. The rules of publication are
// in internal/publication.
//
// Files: discovery.go finds out which kinds are served, and starts and stops watches;
// watch.go is one watch; resources.go has the kinds and the records that are kept;
// changes.go turns changes into notifications; observer.go answers the queries.
package gatewayapi
