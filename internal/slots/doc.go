// SPDX-License-Identifier: Apache-2.0

// Package slots decides which binding holds a slot: one API in one environment of
// a namespace (invariant 1).
//
// Goals: the choice of the holder is a pure function of the claims (Holder,
// IsStandby), and so is every rule about what a binding means for its key
// (UsesKey, HoldsWith, CreatedAfterDeletion, TerminatingUnprotected). ClaimCache
// keeps the claims on which the leader decides: the newest state of each binding
// that a quorum list, a watch or the response to one of its own writes has shown,
// and what is known about the protection of each key. It tells its subscribers which
// bindings and keys a change concerns. A decision costs as much as the binding has
// APIs, and a change as much as the slots that it gives another holder have
// claimants.
//
// Non-goals: the package reads and writes nothing. It knows no client, no logger
// and no clock. Nobody waits in it: who finds a gate closed is called when it opens.
//
// Files: slot.go has the one Slot type; holder.go the choice; claim_cache.go and
// namespace_cache.go the claims; claim.go one claim, and slot_claims.go those of one
// slot; evaluation.go the position of one binding in its slots; change.go what a
// change concerns; gate.go who may decide or write; signing_options.go when two
// bindings sign alike; key_use.go and use_of_key.go how bindings use a key;
// protection.go the protection of keys.
package slots
