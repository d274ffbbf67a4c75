// SPDX-License-Identifier: Apache-2.0

// Package slotwatch observes the bindings of a namespace as any client can: it
// watches every state, and records whether a slot ever had two holders and
// whether a binding was ever not Ready.
package slotwatch
