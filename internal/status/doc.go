// SPDX-License-Identifier: Apache-2.0

// Package status contains the rules about conditions that both kinds share: how a
// readiness becomes the conditions Ready and Stalled, how long an object may wait
// before it counts as stalled, how long a write may fail before it is reported, which changes of conditions are events, and how
// messages list names.
//
// Goals: the conventions of the Kubernetes API and of kstatus, with the generation
// in each condition. It is pure: the time is an argument.
//
// Non-goals: it knows no reason of any condition. These are decided by package
// keyplan and by the controller of bindings.
package status
