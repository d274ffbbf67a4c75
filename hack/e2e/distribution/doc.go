// SPDX-License-Identifier: Apache-2.0

// Package distribution tests what a release consists of: the Helm chart and
// install.yaml against the kustomizations, on a real API server; the binary, and
// the workflows that publish it all.
package distribution
