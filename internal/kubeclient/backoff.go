// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The delays before a request that has failed is repeated. Causes that people remove,
// such as a quota, take effect within two minutes: the longest delay leaves time for
// the queue. The short one applies until a write has been failing for half a minute,
// so that the attempt after which it is reported is not late.
const (
	firstBackoff = 5 * time.Millisecond
	shortBackoff = 10 * time.Second
	longBackoff  = 100 * time.Second
	// shortBackoffs is how many delays are at most shortBackoff; together they take
	// 30.2 s.
	shortBackoffs = 13
)

// NewBackoff returns the rate limiter of a controller's queue.
func NewBackoff() workqueue.TypedRateLimiter[reconcile.Request] {
	return &backoff{failures: map[reconcile.Request]int{}}
}

// backoff doubles the delay with each failure of a request.
type backoff struct {
	mu       sync.Mutex
	failures map[reconcile.Request]int
}

// When implements workqueue.TypedRateLimiter.
func (b *backoff) When(request reconcile.Request) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	count := b.failures[request]
	b.failures[request] = count + 1
	limit := longBackoff
	if count < shortBackoffs {
		limit = shortBackoff
	}
	delay := firstBackoff
	for range count {
		if delay >= limit {
			break
		}
		delay *= 2
	}
	return min(delay, limit)
}

// NumRequeues implements workqueue.TypedRateLimiter.
func (b *backoff) NumRequeues(request reconcile.Request) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures[request]
}

// Forget implements workqueue.TypedRateLimiter.
func (b *backoff) Forget(request reconcile.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.failures, request)
}
