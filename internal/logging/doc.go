// SPDX-License-Identifier: Apache-2.0

// Package logging makes the logger of Signet's commands from their flags.
//
// Goals: one format and one set of flags for every command; errors that name
// the flag to change.
//
// Non-goals: it does not decide what is logged, and it does not redact. Types
// that hold material print [redacted] themselves.
package logging
