// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"sync"
	"time"

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

// Backoff is the rate limiter of a controller's queue. It doubles the delay with each
// failure of a request.
type Backoff struct {
	mu       sync.Mutex
	failures map[reconcile.Request]int
	// kept are the requests whose next Forget does nothing.
	kept map[reconcile.Request]struct{}
}

// NewBackoff returns a rate limiter without failures.
func NewBackoff() *Backoff {
	return &Backoff{failures: map[reconcile.Request]int{}, kept: map[reconcile.Request]struct{}{}}
}

// Keep must be called for a request that ends because it has to wait for other work, and
// that this work wakes: controller-runtime takes it for a success, and forgets the
// failures before.
func (b *Backoff) Keep(request reconcile.Request) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures[request] > 0 {
		b.kept[request] = struct{}{}
	}
}

// When implements workqueue.TypedRateLimiter.
func (b *Backoff) When(request reconcile.Request) time.Duration {
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
func (b *Backoff) NumRequeues(request reconcile.Request) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures[request]
}

// Forget implements workqueue.TypedRateLimiter.
func (b *Backoff) Forget(request reconcile.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, kept := b.kept[request]; kept {
		delete(b.kept, request)
		return
	}
	delete(b.failures, request)
}
