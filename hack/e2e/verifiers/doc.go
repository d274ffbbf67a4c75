// SPDX-License-Identifier: Apache-2.0

// Package verifiers runs the verifiers of api/signature/verifiers and
// demands that each returns what api/signature returns, to the reason of a refusal.
// Run it with `make test-verifiers`.
package verifiers
