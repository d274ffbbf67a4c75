// SPDX-License-Identifier: Apache-2.0

// Command kubectl-signet is a kubectl plugin: `kubectl signet` shows and explains
// signature keys and bindings, and helps to create, rotate and check them.
//
// Goals: it works with the user's own permissions and names each one that is
// missing; every problem comes with what to do; secret material is never printed.
//
// Non-goals: it is not needed to operate Signet, since it only reads and writes
// what kubectl can. It does not replace GitOps: what it changes in a spec, it asks
// the user to change in Git, too.
package main
