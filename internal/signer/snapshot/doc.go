// SPDX-License-Identifier: Apache-2.0

// Package snapshot is the read model of the signer: it maps each slot to the
// policy of the binding that holds it and to the material of its key.
//
// A Store receives bindings, keys and managed Secrets in any order. Each change
// creates an immutable Snapshot behind an atomic pointer, so that lookups never
// wait. A slot refers to its bindings, and a key to its Secret, so that a lookup walks
// two trees: one to the slot, one to the key. A Grant is its result, an UnusableError
// the reason why there is none.
//
// The package is pure: it uses no client, and takes the time as an argument.
//
// Files: store.go applies changes, binding.go and secret.go convert the objects,
// snapshot.go looks up slots, unusable.go has the reasons, and treekey.go the keys
// of the trees.
package snapshot
