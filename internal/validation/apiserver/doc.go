// SPDX-License-Identifier: Apache-2.0

// Package apiserver tests the validation layers on a real API server: it accepts
// and rejects what the CRDs in process and the Go rules do. The unit tests of both
// are in the folder above.
package apiserver
