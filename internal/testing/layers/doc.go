// SPDX-License-Identifier: Apache-2.0

// Package layers has the cases that every validation layer gets: the table in
// testdata, and objects generated from a seed. The Go rules and the schema of the
// CRDs are checked in process; a test on a control plane passes what the API
// server found.
package layers
