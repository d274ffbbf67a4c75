// SPDX-License-Identifier: Apache-2.0

// Command demo shows Signet on a real Kubernetes control plane: it starts one,
// installs Signet as a user would, runs the manager under its own role, applies
// the samples, and shows their state.
//
// It runs until Ctrl-C. With DEMO_ONCE=1 it shuts everything down again and fails
// if anything was not as expected.
//
// Goals: a user sees every documented command and its real output; each claim is
// checked, not only printed.
//
// Non-goals: it is not a test of Signet and not an installation. There are no
// nodes, and no data survives the end.
package main
