package signer

import (
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/lru"

	"github.com/signet-dev/signet/internal/keystore"
)

const (
	// quiet is how long the same refusal of the same slot is not logged again.
	quiet = 10 * time.Second
	// rememberedRemarks bounds what is remembered for that.
	rememberedRemarks = 4096
)

// remarks logs what was refused, but not each time: an API that cannot be signed
// is refused as often as it is called.
type remarks struct {
	logger logr.Logger
	mu     sync.Mutex
	last   *lru.Cache
}

type remark struct {
	face   face
	slot   keystore.Slot
	result result
	reason keystore.Reason
}

func newRemarks(logger logr.Logger) *remarks {
	return &remarks{logger: logger, last: lru.New(rememberedRemarks)}
}

func (r *remarks) refused(at face, slot keystore.Slot, refused *refusal, now time.Time) {
	what := remark{face: at, slot: slot, result: refused.result, reason: reasonOf(refused)}
	if refused.result == resultUnknown || refused.result == resultForbidden {
		what.slot = keystore.Slot{} // whoever calls chooses it
	}
	if !r.due(what, now) {
		return
	}
	fields := []any{"face", string(at), "slot", slot.String(), "result", string(refused.result), "reason", refused.Error()}
	if refused.result == resultFailed {
		r.logger.Error(refused.reason, "a request failed", fields...)
		return
	}
	r.logger.Info("refused a request", fields...)
}

func (r *remarks) due(what remark, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, known := r.last.Get(what); known && now.Sub(last.(time.Time)) < quiet {
		return false
	}
	r.last.Add(what, now)
	return true
}
