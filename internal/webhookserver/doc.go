// SPDX-License-Identifier: Apache-2.0

// Package webhookserver serves the admission webhooks, in place of the server of
// controller-runtime.
//
// Goals: a manager that stops fails no admission request. Drain makes its server
// unready and asks API servers to leave, while it still serves; only when its context
// ends does it stop.
//
// Non-goals: it does not decide when the manager stops, nor what admission answers.
//
// Files: server.go.
package webhookserver
