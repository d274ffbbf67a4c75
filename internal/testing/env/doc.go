// SPDX-License-Identifier: Apache-2.0

// Package env has the environments of the tests that need a control plane: a
// cluster with Signet's CRDs and roles installed, a manager under its own
// ServiceAccount, clients, and what observes or disturbs them.
//
// Start starts a cluster. StartManager runs a manager in the process of the test,
// with a clock, a transport and a fault of the test's choice; StartManagerProcess
// and StartSignerProcess run the binary as a Pod does. Create, Reload and Update
// work on objects; they fail the running Ginkgo spec through Gomega.
//
// The packages that import env or controlplane in their tests are the integration
// tests: `make test-integration` runs them, and `make test-unit` runs the others.
package env
