package signer

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"

	"github.com/signet-dev/signet/internal/slots"
)

// rememberedFailures bounds the memory of failures: the oldest are forgotten.
const rememberedFailures = 16_384

// failures counts failed verifications for each caller and slot, so that nobody
// can try signatures or passwords without end. Who has used up what is granted
// is not looked at for a while, right or wrong.
type failures struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	buckets *lru.Cache
}

type failing struct {
	caller identity
	slot   slots.Slot
}

func newFailures(limits Limits) *failures {
	return &failures{rate: rate.Limit(limits.FailureRate), burst: limits.FailureBurst, buckets: lru.New(rememberedFailures)}
}

// exhausted says that the caller has failed too often.
func (f *failures) exhausted(who failing, now time.Time) bool {
	if f.rate <= 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket, known := f.buckets.Get(who)
	return known && bucket.(*rate.Limiter).TokensAt(now) < 1
}

// note counts a failure.
func (f *failures) note(who failing, now time.Time) {
	if f.rate <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket, known := f.buckets.Get(who)
	if !known {
		bucket = rate.NewLimiter(f.rate, f.burst)
		f.buckets.Add(who, bucket)
	}
	bucket.(*rate.Limiter).AllowN(now, 1)
}
