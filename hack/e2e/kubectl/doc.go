// SPDX-License-Identifier: Apache-2.0

// Package kubectl tests `kubectl signet` on a live installation: config/default
// and config/signer as users apply them, the manager and the signer at work under
// their own roles, and the CRDs of Traefik, Envoy Gateway and Istio.
package kubectl
