// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"maps"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Share divides the workers of a controller among namespaces: unless more namespaces than
// workers have much to do, an object of one does not wait behind those of another. Nil
// divides nothing.
type Share struct {
	workers int

	mu sync.Mutex
	// busy is what each namespace has of the workers, and all is how many work.
	busy map[string]portion
	all  int
	// waiting are the requests that have found the share of their namespace used up, by
	// namespace and in order; parked has each of them once.
	waiting map[string][]reconcile.Request
	parked  map[reconcile.Request]struct{}
}

// portion is the number of workers of a namespace, and whether one has large work.
type portion struct {
	workers int
	large   bool
}

// NewShare returns an empty division of that number of workers.
func NewShare(workers int) *Share {
	return &Share{
		workers: workers, busy: map[string]portion{},
		waiting: map[string][]reconcile.Request{}, parked: map[reconcile.Request]struct{}{},
	}
}

// limit is how many workers a namespace may have: three quarters of those that the
// others leave, and at least one.
func (s *Share) limit(namespace string) int {
	return max(1, (s.workers-(s.all-s.busy[namespace].workers))*3/4)
}

// Enter takes a worker for the namespace of the request, until leave. If its share is
// used up, or if the work is large and another worker of the namespace has large work, ok
// is false, and the request is handed to retry later. That must lead to Enter again, unless
// what prevents it wakes all requests of the namespace when it ends: each request that
// leaves hands over the next one.
func (s *Share) Enter(request reconcile.Request, large bool, retry func(reconcile.Request)) (leave func(), ok bool) {
	if s == nil {
		return func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	namespace := request.Namespace
	portion := s.busy[namespace]
	if portion.workers >= s.limit(namespace) || large && portion.large {
		if _, parked := s.parked[request]; !parked {
			s.parked[request] = struct{}{}
			s.waiting[namespace] = append(s.waiting[namespace], request)
		}
		return nil, false
	}
	portion.workers++
	portion.large = portion.large || large
	s.busy[namespace] = portion
	s.all++
	return sync.OnceFunc(func() {
		for _, next := range s.leave(namespace, large) {
			retry(next)
		}
	}), true
}

// leave returns a worker, and the requests that may find one now: the oldest of each
// namespace whose share is not used up, because the shares of all grow.
func (s *Share) leave(namespace string, large bool) []reconcile.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	portion := s.busy[namespace]
	portion.workers--
	portion.large = portion.large && !large
	if s.busy[namespace] = portion; portion.workers == 0 {
		delete(s.busy, namespace)
	}
	var next []reconcile.Request
	for _, name := range slices.Sorted(maps.Keys(s.waiting)) {
		if s.busy[name].workers >= s.limit(name) {
			continue // one of its own hands over the next one
		}
		waiting := s.waiting[name]
		next = append(next, waiting[0])
		delete(s.parked, waiting[0])
		if s.waiting[name] = waiting[1:]; len(waiting) == 1 {
			delete(s.waiting, name)
		}
	}
	return next
}
