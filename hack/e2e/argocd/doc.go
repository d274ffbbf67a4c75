// SPDX-License-Identifier: Apache-2.0

// Package argocd tests Signet under Argo CD, and what Argo CD and Flux make of
// its status.
package argocd
