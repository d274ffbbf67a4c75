// SPDX-License-Identifier: Apache-2.0

// Package fencing tests the slot and protection protocol on the real claim cache and
// both real reconcilers, in front of a scripted API server.
//
// Two managers take turns in leading. Each write that one of them sends stops at the
// API server, and the script decides what becomes of it: whether it takes effect, now,
// later or never, and which answer arrives. The script also decides what the watches
// show, and what users do meanwhile. There is one goroutine at a time, no clock but the
// script's, and no sleep.
//
// After each write, the judge checks the invariants: one binding holds the slot; its
// key and the key's Secret exist and carry the finalizer; a binding that still claims
// the slot keeps it. At the end the faults stop, and what is left must come to rest in
// the state that users expect.
//
// Three tests write scripts. One has a script for each rule of the protocol, which
// fails without that rule. One replays the shortest traces that violate an invariant if a
// rule is missing, as a search of a model of the protocol has found them
// (testdata/traces.txt). The third walks at random.
//
// Files: store.go is the API server; judge.go the invariants; manager.go one manager,
// and world.go all of them and the users.
package fencing
