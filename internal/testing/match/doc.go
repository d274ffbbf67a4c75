// SPDX-License-Identifier: Apache-2.0

// Package match has the Gomega matchers for what Signet reports: conditions of
// keys and bindings, Events, and the requests that a manager sends.
//
// A matcher for a condition also checks that the condition is about the current
// generation of the object, and that Stalled is true exactly if Ready is false.
package match
