// SPDX-License-Identifier: Apache-2.0

// Package cluster tests the command signer on a real API server: under the roles
// in config/signer, with changes that it follows, and at its start and end. The
// unit tests of the command are in the folder above.
package cluster
