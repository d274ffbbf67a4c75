// SPDX-License-Identifier: Apache-2.0

package slots

// Assumed returns how many statuses of a binding have an unknown outcome.
func Assumed(c *NamespaceCache, name string) int { return len(c.entries[name].assumed) }
