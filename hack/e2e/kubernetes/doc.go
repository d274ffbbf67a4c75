// SPDX-License-Identifier: Apache-2.0

// Package kubernetes tests what Signet needs of Kubernetes: config/default and the
// binary through the life of a key and its bindings. `make test-system` runs it on the
// default control plane, and `make test-kubernetes` on the kube-apiserver of an older
// Kubernetes, together with the suites of installation, CRDs and admission.
//
// Non-goals: kube-controller-manager, etcd and kubectl always are those of the default
// control plane.
package kubernetes
