// SPDX-License-Identifier: Apache-2.0

// Package index registers the indexes of the manager's caches, and has the
// functions that compute their values.
//
// Controllers and webhooks look up related objects with them instead of listing a
// namespace: the keys of a source Secret (KeySource) or of a managed Secret
// (KeySecretName). The bindings of a slot or of a key are in the claims (package slots).
package index
