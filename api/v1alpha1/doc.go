// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the two kinds of signet.dev: SignatureKey, a key and
// secret with which a gateway signs requests, and SignatureBinding, which
// names the APIs of an environment that a key signs.
//
// +kubebuilder:object:generate=true
// +groupName=signet.dev
package v1alpha1
