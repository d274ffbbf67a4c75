// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"maps"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Share divides the workers of a controller among namespaces: whatever one of them has to
// do, an object of another one does not wait behind it. Nil divides nothing.
type Share struct {
	workers int

	mu sync.Mutex
	// busy is how many workers each namespace has, and all is their sum.
	busy map[string]int
	all  int
	// waiting are the requests that have found the share of their namespace used up, by
	// namespace and in order; parked has each of them once.
	waiting map[string][]reconcile.Request
	parked  map[reconcile.Request]struct{}
}

// NewShare returns an empty division of that number of workers.
func NewShare(workers int) *Share {
	return &Share{
		workers: workers, busy: map[string]int{},
		waiting: map[string][]reconcile.Request{}, parked: map[reconcile.Request]struct{}{},
	}
}

// limit is how many workers a namespace may have: three quarters of those that the
// others leave, and at least one.
func (s *Share) limit(namespace string) int {
	return max(1, (s.workers-(s.all-s.busy[namespace]))*3/4)
}

// Enter takes a worker for the namespace of the request, until leave. If its share is
// used up, ok is false, and the request is handed to retry later.
func (s *Share) Enter(request reconcile.Request, retry func(reconcile.Request)) (leave func(), ok bool) {
	if s == nil {
		return func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[request.Namespace] >= s.limit(request.Namespace) {
		if _, parked := s.parked[request]; !parked {
			s.parked[request] = struct{}{}
			s.waiting[request.Namespace] = append(s.waiting[request.Namespace], request)
		}
		return nil, false
	}
	s.busy[request.Namespace]++
	s.all++
	return sync.OnceFunc(func() {
		for _, next := range s.leave(request.Namespace) {
			retry(next)
		}
	}), true
}

// leave returns a worker, and the requests that may find one now: the oldest of each
// namespace, because the shares of all grow.
func (s *Share) leave(namespace string) []reconcile.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.busy[namespace]--; s.busy[namespace] == 0 {
		delete(s.busy, namespace)
	}
	var next []reconcile.Request
	for _, name := range slices.Sorted(maps.Keys(s.waiting)) {
		waiting := s.waiting[name]
		next = append(next, waiting[0])
		delete(s.parked, waiting[0])
		if s.waiting[name] = waiting[1:]; len(waiting) == 1 {
			delete(s.waiting, name)
		}
	}
	return next
}
