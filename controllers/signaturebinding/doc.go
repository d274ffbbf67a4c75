// SPDX-License-Identifier: Apache-2.0

// Package signaturebinding is the controller of SignatureBindings. It runs on the
// leader only, and makes one decision about a namespace at a time, in memory
// (slots.ClaimCache).
//
// Each pass observes (observe.go), decides (decision.go and the files below, which
// are pure), assumes what it adds, and writes the status once (session.go, apply.go).
// A binding is written by its own pass alone. If others must be written before it gets
// a slot, they are enqueued, and the claims wake it when that is done: a release comes
// before a grant.
//
// Inputs: the claims of the namespace, SignatureKeys from the cache, and the
// publication of routes (internal/gatewayapi). Before a key signs for a binding for
// the first time in a term, the pass protects its objects and decides again
// (protect.go). What starts a pass is in watch.go; package term fills the claims when
// the term begins.
//
// Outputs: the status of bindings, the finalizer signet.dev/in-use and the fencing
// token of a key and its objects (protect.go), and one Event for each transition of a
// condition (apply.go). A status that cannot be written is reported by an Event
// WriteRefused or WriteFailed (apply.go).
// The controller never writes a spec (invariant 6).
//
// Which file decides what:
//
//	condition Ready, Stalled            conditions.go, in the order of setReadiness
//	  KeyNotFound, KeyNotReady,
//	  KeyTerminating, SecretLost,
//	  TypeNotEnabled                    effective_key.go
//	  KeyNotReady, while other bindings
//	  have not been written             conditions.go
//	  WriteRefused, WriteFailed         refusal.go; the reason is found by
//	                                    kubeclient/write_error.go
//	  InvalidSpec                       decision.go
//	  all other reasons                 conditions.go
//	condition PathRewritten             conditions.go
//	status.observedGeneration,
//	  environment, totalAPIs            decision.go
//	status.keyName, displayName         effective_key.go
//	status.previousKeys                 decision.go
//	status.apis, boundAPIs              api_status.go; messages of routes
//	  that are not published            unpublished.go
//	status.fencingToken                 apply.go
package signaturebinding
