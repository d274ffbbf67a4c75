// SPDX-License-Identifier: Apache-2.0

// Package term begins the time for which this process leads.
//
// Goals: before the first decision, the claim cache has what a quorum list shows. A
// watch cache that lags could hide writes of the previous leader. With --namespaces, each
// namespace has a list of its own: one that cannot be listed does not keep the others
// from being decided about.
//
// Non-goals: the lease itself, and what is decided.
package term
