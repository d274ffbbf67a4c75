// SPDX-License-Identifier: Apache-2.0

// Package pki creates certificate authorities and the certificates they issue,
// and encodes both as the data of a Secret of type kubernetes.io/tls.
//
// The package is pure: it takes the time as an argument, and reads and writes
// neither files nor a cluster. internal/webhookcert and internal/cmd/certs store
// the results.
package pki
