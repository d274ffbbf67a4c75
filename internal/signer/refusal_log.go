// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/utils/lru"

	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
)

const (
	// logInterval is the time during which the same refusal of the same slot is
	// logged once.
	logInterval = 10 * time.Second
	// maxRefusalKeys bounds the memory for that.
	maxRefusalKeys = 4096
	// logBurst is the number of slots that are logged for one caller and reason
	// at once, and logRate the number per second in the long run: callers can
	// invent names.
	logBurst = 50
	logRate  = 1
	// maxLimitKeys bounds the memory for that.
	maxLimitKeys = 1024
)

// refusalLog logs refusals, but not all of them: an API that cannot be signed is
// refused as often as it is called. The metrics count them all.
type refusalLog struct {
	logger   logr.Logger
	mu       sync.Mutex
	last     *lru.Cache
	limiters *lru.Cache
}

// limitKey identifies the refusals that share a rate limit.
type limitKey struct {
	endpoint endpoint
	caller   identity
	result   result
	reason   snapshot.Reason
}

// refusalKey identifies refusals that are the same.
type refusalKey struct {
	limitKey
	slot slots.Slot
}

// logLimiter limits the refusals of one limitKey.
type logLimiter struct {
	*rate.Limiter
	// suppressed is the number of refusals that were not logged since the last
	// one that was.
	suppressed int
}

func newRefusalLog(logger logr.Logger) *refusalLog {
	return &refusalLog{logger: logger, last: lru.New(maxRefusalKeys), limiters: lru.New(maxLimitKeys)}
}

// record logs the refusal if it is due.
func (l *refusalLog) record(at endpoint, c *call, refused *refusalError, now time.Time) {
	key := refusalKey{limitKey{at, c.caller.identity, refused.result, snapshotReason(refused)}, c.slot}
	if refused.result == resultUnknown || refused.result == resultForbidden {
		key.slot = slots.Slot{} // any client can choose it
	}
	due, suppressed := l.due(key, now)
	if !due {
		return
	}
	fields := []any{"endpoint", string(at), "slot", c.slot.String(), "result", string(refused.result), "reason", refused.Error()}
	if suppressed > 0 {
		fields = append(fields, "suppressed", suppressed)
	}
	if refused.result == resultFailed {
		l.logger.Error(refused.reason, "Failed to handle request", fields...)
		return
	}
	l.logger.Info("Refused request", fields...)
}

// due reports whether to log the refusal, and how many of its limitKey were not
// logged before it.
func (l *refusalLog) due(key refusalKey, now time.Time) (due bool, suppressed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, known := l.last.Get(key); known && now.Sub(last.(time.Time)) < logInterval {
		return false, 0
	}
	limiter := l.limiter(key.limitKey)
	if !limiter.AllowN(now, 1) {
		limiter.suppressed++
		return false, 0
	}
	l.last.Add(key, now)
	suppressed, limiter.suppressed = limiter.suppressed, 0
	return true, suppressed
}

func (l *refusalLog) limiter(key limitKey) *logLimiter {
	if known, ok := l.limiters.Get(key); ok {
		return known.(*logLimiter)
	}
	limiter := &logLimiter{Limiter: rate.NewLimiter(logRate, logBurst)}
	l.limiters.Add(key, limiter)
	return limiter
}
