// SPDX-License-Identifier: Apache-2.0

// Package controlplane runs a real Kubernetes control plane on loopback: etcd,
// kube-apiserver and, if wanted, kube-controller-manager, for tests, the demo and
// benchmarks. Assets finds their programs, or builds them from source once; the
// command cmd/assets prints where they are. With KubernetesVariable set, APIServer does
// the same for the kube-apiserver of an older Kubernetes, which then takes the place of
// the default one.
package controlplane
