// SPDX-License-Identifier: Apache-2.0

// Package kubeclient loads the configuration of a command's API server client
// and checks the permissions that the command needs. It also has what controllers
// share about reads and outdated ones.
//
// Goals: a command that lacks a permission ends at once with an error that
// names it, instead of waiting for caches that never fill.
//
// Non-goals: it holds no client and caches nothing. It does not decide which
// permissions a command needs: each command lists its own.
package kubeclient
