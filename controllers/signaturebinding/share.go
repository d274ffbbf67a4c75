// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"maps"
	"slices"
	"sync"

	ctrl "sigs.k8s.io/controller-runtime"
)

// share divides the workers among namespaces. The status of a binding with a thousand
// APIs takes the API server long to write: two hundred of them would otherwise keep all
// workers, and a binding of another namespace would wait behind them.
type share struct {
	workers int

	mu sync.Mutex
	// busy is how many workers each namespace has, and all is their sum.
	busy map[string]int
	all  int
	// waiting are the requests that have found the share of their namespace used up.
	waiting map[string][]ctrl.Request
}

func newShare(workers int) *share {
	return &share{workers: workers, busy: map[string]int{}, waiting: map[string][]ctrl.Request{}}
}

// limit is how many workers a namespace may have: three quarters of those that the
// others leave, and at least one.
func (s *share) limit(namespace string) int {
	return max(1, (s.workers-(s.all-s.busy[namespace]))*3/4)
}

// enter takes a worker for the namespace of the request, until leave. If its share is
// used up, ok is false, and the request is handed to retry later.
func (s *share) enter(request ctrl.Request, retry func(ctrl.Request)) (leave func(), ok bool) {
	if s == nil {
		return func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.waiting[request.Namespace]
	if s.busy[request.Namespace] >= s.limit(request.Namespace) {
		if !slices.Contains(waiting, request) {
			s.waiting[request.Namespace] = append(waiting, request)
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
func (s *share) leave(namespace string) []ctrl.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.busy[namespace]--; s.busy[namespace] == 0 {
		delete(s.busy, namespace)
	}
	var next []ctrl.Request
	for _, name := range slices.Sorted(maps.Keys(s.waiting)) {
		waiting := s.waiting[name]
		next = append(next, waiting[0])
		if s.waiting[name] = waiting[1:]; len(waiting) == 1 {
			delete(s.waiting, name)
		}
	}
	return next
}
