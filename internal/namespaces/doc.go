// SPDX-License-Identifier: Apache-2.0

// Package namespaces has the caches of a command that works in the namespaces of
// --namespaces. Each namespace has a cache of its own, which starts, fails, is
// reported and recovers alone.
//
// A namespace is served if it exists, the identity of the command has the permissions
// that it needs there, and the namespace's caches are filled. Otherwise it is checked
// again with a back-off, and its objects look to all readers and event handlers as if
// they did not exist: reads fail with a NotServedError, and handlers are told that
// the objects are gone.
//
// Files:
//
//	cache.go         Cache: a cache.Cache over all namespaces that are served
//	informer.go      informers that deliver the events of all namespaces
//	member.go        the life of one namespace: check, fill, serve, stop
//	access.go        what is checked
//	everywhere.go    the same check for a command that works in all namespaces
//	role_binding.go  the RoleBinding whose deletion tells Signet to leave a namespace
//	metric.go        which namespaces are served, as a metric
//
// Goals: whatever happens to one namespace, the others are served. A namespace that
// is back is served again without a restart. Nothing waits for a namespace for longer
// than startTimeout.
//
// Non-goals: objects that are in no namespace. What a command does in a namespace,
// and whether it may still write there, is decided by the command.
package namespaces
