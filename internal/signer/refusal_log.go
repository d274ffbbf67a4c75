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
	// quiet is how long the same refusal of the same slot is not logged again.
	quiet = 10 * time.Second
	// rememberedRemarks bounds what is remembered for that.
	rememberedRemarks = 4096
	// remarksAtOnce is how many slots are named to a caller for one reason, and
	// remarksRate how many a second in the long run: callers can invent names.
	remarksAtOnce = 50
	remarksRate   = 1
	// rememberedAllowances bounds what is remembered for that.
	rememberedAllowances = 1024
)

// refusalLog logs what was refused, but not each time: an API that cannot be signed
// is refused as often as it is called. Nor all of it: the metrics have that.
type refusalLog struct {
	logger logr.Logger
	mu     sync.Mutex
	last   *lru.Cache
	// allowances are what a caller's refusals for a reason may fill of the log.
	allowances *lru.Cache
}

// limitKey is what was refused to whom, and why.
type limitKey struct {
	face   endpoint
	caller identity
	result result
	reason snapshot.Reason
}

type refusalKey struct {
	limitKey
	slot slots.Slot
}

type allowance struct {
	*rate.Limiter
	// unlogged is how many remarks it has kept out since the last one.
	unlogged int
}

func newRefusalLog(logger logr.Logger) *refusalLog {
	return &refusalLog{logger: logger, last: lru.New(rememberedRemarks), allowances: lru.New(rememberedAllowances)}
}

func (r *refusalLog) refused(at endpoint, c *call, refused *refusal, now time.Time) {
	what := refusalKey{limitKey{at, c.caller.who, refused.result, reasonOf(refused)}, c.slot}
	if refused.result == resultUnknown || refused.result == resultForbidden {
		what.slot = slots.Slot{} // whoever calls chooses it
	}
	due, unlogged := r.due(what, now)
	if !due {
		return
	}
	fields := []any{"face", string(at), "slot", c.slot.String(), "result", string(refused.result), "reason", refused.Error()}
	if unlogged > 0 {
		fields = append(fields, "unlogged", unlogged)
	}
	if refused.result == resultFailed {
		r.logger.Error(refused.reason, "a request failed", fields...)
		return
	}
	r.logger.Info("refused a request", fields...)
}

// due says whether to log it, and how many of its ground were not.
func (r *refusalLog) due(what refusalKey, now time.Time) (due bool, unlogged int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, known := r.last.Get(what); known && now.Sub(last.(time.Time)) < quiet {
		return false, 0
	}
	allowed := r.allowanceOf(what.limitKey)
	if !allowed.AllowN(now, 1) {
		allowed.unlogged++
		return false, 0
	}
	r.last.Add(what, now)
	unlogged, allowed.unlogged = allowed.unlogged, 0
	return true, unlogged
}

func (r *refusalLog) allowanceOf(what limitKey) *allowance {
	if known, ok := r.allowances.Get(what); ok {
		return known.(*allowance)
	}
	fresh := &allowance{Limiter: rate.NewLimiter(remarksRate, remarksAtOnce)}
	r.allowances.Add(what, fresh)
	return fresh
}
