// SPDX-License-Identifier: Apache-2.0

// Package events emits what the controllers report: Events of the Kubernetes API,
// a line in the log and metrics for each.
//
// Goals: one name as reporting controller, one function that emits, one that ends
// the retries of what only a user can change, and metrics whose number does not
// depend on the number of objects.
//
// Non-goals: it does not decide what is worth an event. Transitions of conditions
// are found by package status, other events are made where they happen, both as
// values of type status.Event.
package events
