// SPDX-License-Identifier: Apache-2.0

// Command bench measures Signet's manager on a real control plane and prints the
// figures with their budgets.
//
// Goals: figures that can be compared within one run.
//
// Non-goals: pass or fail. The machine is noisy, and a figure means something only
// next to the others of its run.
package main
