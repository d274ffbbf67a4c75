// SPDX-License-Identifier: Apache-2.0

// Package webhookserver serves the admission webhooks, in place of the server of
// controller-runtime.
//
// Goals: a manager that stops fails no admission request. Drain makes its server
// unready and asks API servers to leave, while it still serves; only when its context
// ends does it stop.
//
// Limits: an API server that leaves an HTTP/1.1 connection idle learns nothing from
// Drain. If it sends a POST on it in the very moment in which the server stops, the
// request can fail.
//
// Non-goals: it does not decide when the manager stops, nor what admission answers.
//
// Files: server.go.
package webhookserver
