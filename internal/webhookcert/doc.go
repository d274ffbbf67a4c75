// SPDX-License-Identifier: Apache-2.0

// Package webhookcert maintains the certificates of the admission webhooks
// without other components.
//
// Every replica of the manager runs a Rotator. The certificate authority is in a
// Secret that all replicas share, its certificate is the CA bundle of the webhook
// configuration, and each replica holds its own serving certificate in memory.
// Both renew automatically, with an overlap during which the API server trusts
// the old and the new authority.
//
// Files: lifetime.go has the validity periods, secret.go the shared authority,
// rotator.go the order in which certificates are published and served.
package webhookcert
