// SPDX-License-Identifier: Apache-2.0

// Package history upgrades Signet from a commit to what is checked out, and
// goes back: with the managers of both, on what they make themselves.
package history
