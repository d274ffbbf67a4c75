// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"

	"github.com/signet-dev/signet/internal/slots"
)

// maxFailureKeys bounds the memory of failures: the least recently used are
// dropped.
const maxFailureKeys = 16_384

// failures counts wrong signatures and passwords for each caller and slot, so that no
// client can try them out without end. Beyond the limit, no request of the two is
// verified for a while, valid or not.
type failures struct {
	rate  rate.Limit
	burst int

	mu       sync.Mutex
	limiters *lru.Cache
}

type failureKey struct {
	caller identity
	slot   slots.Slot
}

func newFailures(limits Limits) *failures {
	return &failures{rate: rate.Limit(limits.FailureRate), burst: limits.FailureBurst, limiters: lru.New(maxFailureKeys)}
}

// exhausted reports whether the caller has failed too often.
func (f *failures) exhausted(key failureKey, now time.Time) bool {
	if f.rate <= 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	limiter, known := f.limiters.Get(key)
	return known && limiter.(*rate.Limiter).TokensAt(now) < 1
}

// add counts a failure.
func (f *failures) add(key failureKey, now time.Time) {
	if f.rate <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	limiter, known := f.limiters.Get(key)
	if !known {
		limiter = rate.NewLimiter(f.rate, f.burst)
		f.limiters.Add(key, limiter)
	}
	limiter.(*rate.Limiter).AllowN(now, 1)
}
