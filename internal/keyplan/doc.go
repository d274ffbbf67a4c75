// SPDX-License-Identifier: Apache-2.0

// Package keyplan decides what a SignatureKey's managed Secret, public ConfigMap,
// finalizers, status and events should be. Compute takes an Observation, the time
// and a source of randomness, and returns a Plan: nothing is read and nothing is
// written here, so that every state of a key is a row of a table test.
//
// # Steps
//
// Compute takes named steps in one order, and the first that decides ends it:
//
//	validateSpec    is the spec valid? An invalid one is not followed
//	classifySecret  whose Secret is it, what material is in it, is it lost?
//	checkTypeGate   may there be new material of this type?
//	resolveSource   which components are supplied?
//	mayGenerate     without material: does anything prevent it?
//	planMaterial    generate it, or take the next step of its rotation
//	planPublic      the public ConfigMap, before and after the Secret
//	planSecret      the whole managed Secret
//
// A problem that a step reports does not end the plan as long as there is
// material: the material stays in effect, and the first problem becomes Ready. The
// loss of the Secret alone takes precedence over earlier problems. planProtection
// decides on finalizers in any case. In a namespace that Signet leaves, it is all that
// is planned.
//
// A cache cannot prove that an object, or the Secret on record, does not exist. A
// step that relies on an absence fails unless a live read has confirmed it, or the
// create of a key without a record does. NeedsLiveSecret and NeedsLivePublic take
// the same steps to find out whether one would, so that the caller reads live
// exactly where a plan depends on it. NeedsLiveKey does so for a key that may be gone. NeedsReleasing does so for
// the absence of bindings, which has to last until finalizers have been removed.
//
// # Goals
//
// One observation has one plan: no client, no logger, no clock and no state of its
// own. A plan has at most one change of the material, so that a crash after any
// write leaves a state from which the next observation continues.
//
// # Non-goals
//
// The rules for material, its layout and its rotation are in package material,
// the rules for specs and sources in package validation. What protects a key from
// a grant in the same moment is a matter of the controller and package slots.
package keyplan
