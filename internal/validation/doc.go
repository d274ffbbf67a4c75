// SPDX-License-Identifier: Apache-2.0

// Package validation has the rules of SignatureKeys, SignatureBindings and source
// Secrets in Go, for the webhooks and the controllers.
//
// Goals: the Go rules and the CRDs (schema and CEL) always agree on the result
// and on the path; for CEL rules, also on the message. One table of cases tests
// both. On update the Go rules ratchet as the API server does: a rule is not
// checked for a value that has not changed, the value being the one that the rule
// is attached to in the schema. No message contains a value that can be material.
//
// Non-goals: no rule depends on another object, apart from a source Secret and
// the key that references it. What depends on others is a warning of
// internal/admission or a condition.
package validation
