// SPDX-License-Identifier: Apache-2.0

// Package publication decides whether a route of the Gateway API is published in an
// environment, and which of its filters change what a signature covers.
//
// It is pure: a Route is the relevant part of an HTTPRoute or GRPCRoute, a Topology
// looks up Gateways and ListenerSets, and State combines both with the last known
// number of Gateways. A parent that is stale or cannot be read keeps its last state,
// so that a controller that rewrites conditions, or a failing watch, takes no API
// offline. What does not exist, what is not read and what is not understood are three
// different causes of a route that is not published.
//
// Files: publication.go extracts a Route, state.go computes its State, cause.go finds
// out why it is not published, rewrites.go finds the filters that rewrite path or host.
package publication
