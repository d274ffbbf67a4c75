// SPDX-License-Identifier: Apache-2.0

// Package kubeclient loads the configuration of a command's API server client
// and checks the permissions that the command needs. It also has what controllers
// share about reads, outdated ones, and writes that fail: their errors, since when they
// fail, and how long to wait before the next attempt.
//
// Goals: a command that lacks a permission ends at once with an error that
// names it, instead of waiting for caches that never fill. The error of
// a write contains no material, whatever the API server answers.
//
// Non-goals: it holds no client and caches nothing. It does not decide which
// permissions a command needs: each command lists its own. What is reported of a
// write that fails is decided by package keyplan and by the controller of bindings.
package kubeclient
