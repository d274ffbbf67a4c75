// SPDX-License-Identifier: Apache-2.0

// Package admission has the validating webhooks for SignatureKeys,
// SignatureBindings and source Secrets. They call internal/validation.
//
// Goals: what breaks a rule is refused with the field and what to do about it.
// What depends on other objects only causes a warning, because GitOps applies
// objects in any order. A request is answered from the caches.
//
// In a namespace that is not served, a key or binding is admitted with a warning, and
// a source Secret without one: the API server calls the webhooks for all namespaces.
//
// Non-goals: no webhook changes an object, and none is needed for safety: the
// CRDs check most rules, and the controllers check all of them again. Which
// binding holds an API is decided by the leader alone; a warning only reports
// what the caches show.
package admission
