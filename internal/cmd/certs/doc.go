// SPDX-License-Identifier: Apache-2.0

// Package certs is the command `signet certs`. It creates the certificates of
// the signer and of its callers for clusters without cert-manager: an authority,
// a server certificate, and one client certificate for each namespace that a
// caller may sign or verify for.
//
// options.go has the flags, run.go the order of the steps. Certificates are
// written to a store: folders (folder.go) or Secrets (cluster.go).
package certs
