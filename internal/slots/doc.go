// SPDX-License-Identifier: Apache-2.0

// Package slots decides which binding holds a slot: one API in one environment of
// a namespace (invariant 1).
//
// Goals: the choice of the holder is a pure function of the claims (Holder,
// IsStandby), and so is every rule about what a binding means for its key
// (UsesKey, HoldsWith, CreatedAfterDeletion, TerminatingUnprotected). ClaimCache
// keeps the claims on which the leader decides: the newest state of each binding
// that a quorum list, a watch or the response to one of its own writes has shown,
// and what is known about the protection of each key.
//
// Non-goals: the package reads and writes nothing. It knows no client, no logger
// and no clock.
//
// Files: slot.go has the one Slot type; holder.go the choice; evaluation.go the
// position of one binding in one slot; claim_cache.go and namespace_cache.go the
// claims; interest.go which other claimants a change concerns; signing_options.go
// when two bindings sign alike; key_use.go when a binding uses its key;
// protection.go the protection of keys.
package slots
