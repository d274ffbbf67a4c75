// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/status"
)

// rewordInterval is how often the report of a write that keeps failing may change its
// words. Each change is a write of a status, which causes the next attempt: without
// a limit, a text that is never the same would keep an object busy.
const rewordInterval = time.Minute

// FailingWrites records since when a write fails, for each object that a controller
// reconciles. It is the memory of this process: another leader begins again.
type FailingWrites struct {
	clock clock.PassiveClock

	mu     sync.Mutex
	owners map[types.NamespacedName]*failingWrite
}

type failingWrite struct {
	uid     types.UID
	object  string
	refusal status.Refusal
	// last is when the write was last tried.
	last time.Time
	// worded is when reason and message of a refusal that persists were last set.
	worded time.Time
	// announced is true after Announce.
	announced bool
}

// NewFailingWrites returns an empty memory.
func NewFailingWrites(clock clock.PassiveClock) *FailingWrites {
	return &FailingWrites{clock: clock, owners: map[types.NamespacedName]*failingWrite{}}
}

// Record records that a write on behalf of the owner has failed, and returns since when
// it does. It returns zero, and records nothing, for an error that is no WriteError.
// Conflicts count, too: if nothing else follows, no newer version resolves them.
func (f *FailingWrites) Record(owner client.Object, err error) status.Refusal {
	failed := (*WriteError)(nil)
	if !errors.As(err, &failed) {
		return status.Refusal{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name, now := client.ObjectKeyFromObject(owner), f.clock.Now()
	known := f.owners[name]
	if known == nil || known.uid != owner.GetUID() || known.object != failed.Object {
		known = &failingWrite{uid: owner.GetUID(), object: failed.Object, refusal: status.Refusal{Since: now}}
		f.owners[name] = known
	}
	known.last = now
	if known.worded.IsZero() || now.Sub(known.worded) >= rewordInterval {
		known.refusal.Reason, known.refusal.Message = failed.Reason, failed.Message()
		if known.refusal.Persists(now) {
			known.worded = now
		}
	}
	return known.refusal
}

// Persisting returns the failing write of the owner if it is to be reported, else zero.
func (f *FailingWrites) Persisting(owner client.Object) status.Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.owners[client.ObjectKeyFromObject(owner)]
	if known == nil || known.uid != owner.GetUID() || !known.refusal.Persists(known.last) {
		return status.Refusal{}
	}
	return known.refusal
}

// Announce reports whether the failing write of the owner must be announced to others:
// once, when it is first to be reported.
func (f *FailingWrites) Announce(owner client.Object) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.owners[client.ObjectKeyFromObject(owner)]
	if known == nil || known.announced || !known.refusal.Persists(known.last) {
		return false
	}
	known.announced = true
	return true
}

// Forget records that all writes on behalf of the owner have succeeded, or that it is
// gone. It reports whether the failing write was announced.
func (f *FailingWrites) Forget(owner types.NamespacedName) (announced bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.owners[owner]
	delete(f.owners, owner)
	return known != nil && known.announced
}
