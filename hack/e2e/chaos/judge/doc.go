// SPDX-License-Identifier: Apache-2.0

// Package judge checks the history of a cluster, revision by revision, against what
// Signet promises while anything around it fails. It is pure: Observe takes one
// revision of etcd after the other, and the judge keeps the state that they lead to.
//
// A client that breaks a promise on purpose, as a user with the rights may, sets the
// annotation Mark to another value in the same write, or in the write before the one
// that ends the object. The judge then expects Signet to repair what is missing, and
// takes the same change without a mark for Signet's own.
//
//	judge.go       the state, and what happens with a revision
//	slots.go       rule 1: a slot has one holder, which keeps it while it lists the API
//	protection.go  rule 2: what a holder signs with exists and is protected
//	material.go    rule 3: material changes only for a cause
//	rotation.go    rule 3: which change of a Secret is which step of a rotation
//	public.go      rule 3: backends can learn the public key that signs
//	settled.go     rule 4: what is not as it is to be at rest, and what remains
package judge
