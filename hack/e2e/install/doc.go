// SPDX-License-Identifier: Apache-2.0

// Package install tests what users apply: config/ as it is shipped, on a real API
// server.
package install
