// SPDX-License-Identifier: Apache-2.0

// Package advice describes what each reason of a condition means and what a user
// does about it.
//
// Goals: it is the only source of these texts: a test compares the tables of the
// API page with it, and the plugin prints it.
//
// Non-goals: it does not know the objects. A condition's message names them.
package advice
