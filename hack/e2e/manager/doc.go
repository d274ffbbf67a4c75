// SPDX-License-Identifier: Apache-2.0

// Package manager tests the manager's binary as a Pod runs it: when it cannot
// start, when it has Roles in some namespaces only, and when a leader loses its
// lease in the middle of a write.
package manager
