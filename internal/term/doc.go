// SPDX-License-Identifier: Apache-2.0

// Package term begins the time for which this process leads.
//
// Goals: before the first decision, the claim cache has what a quorum list shows. A
// watch cache that lags could hide writes of the previous leader.
//
// Non-goals: the lease itself, and what is decided.
package term
