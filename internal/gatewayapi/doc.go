// SPDX-License-Identifier: Apache-2.0

// Package gatewayapi follows the routes, Gateways and ListenerSets of a cluster
// and answers from memory whether a route is published in an environment.
//
// Goals: the kinds of the Gateway API need not be installed: they are noticed when
// they appear and when they are removed. Only what decides publication is kept of
// an object. What cannot be read is unknown, never absent.
//
// Non-goals: it decides nothing about publication (package publication does) and
// writes nothing.
package gatewayapi
