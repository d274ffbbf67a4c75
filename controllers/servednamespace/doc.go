// SPDX-License-Identifier: Apache-2.0

// Package servednamespace is the controller of the RoleBinding that lets the manager
// work in a namespace of --namespaces. It runs on the leader only.
//
// The RoleBinding carries the finalizer signet.dev/serves-namespace from before the
// first key of the namespace gets one (Join). Otherwise it could be gone before these
// finalizers can be removed: the namespace controller deletes in any order.
//
// Its deletion tells Signet to leave the namespace. The other controllers notice that,
// too: the controller of keys removes the finalizers of keys and Secrets and reports
// NotServed, and the controller of bindings grants nothing. When all keys have reported
// that and nothing in the namespace has a finalizer of Signet, this controller removes
// that of the RoleBinding. A key that has reported it has been written since the last
// grant, so that a late write of that grant fails.
//
// A manager that works in all namespaces removes the finalizer from each RoleBinding that
// a manager with --namespaces has left: it keeps its permissions without them.
//
// Inputs: the RoleBinding from the cache; live lists of keys, Secrets and ConfigMaps
// while it is being deleted. Outputs: the finalizer, and nothing else.
//
// Files: controller.go observes and writes, plan.go decides.
package servednamespace
