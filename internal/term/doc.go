// SPDX-License-Identifier: Apache-2.0

// Package term begins the time for which this process leads.
//
// Goals: in each replica, the claim cache follows the watch caches, for admission. Before
// the first decision of the leader it has what a quorum list shows: a watch cache that
// lags could hide writes of the previous leader. With --namespaces, each namespace has a
// list of its own: one that cannot be listed does not keep the others from being decided
// about.
//
// Non-goals: the lease itself, and what is decided.
package term
