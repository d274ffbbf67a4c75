// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// entry is the newest known state of a binding.
type entry struct {
	binding *signetv1alpha1.SignatureBinding
	// listed is true if the leader's own list of this term has shown the binding.
	listed bool
	// fenced is true if the binding has changed since that list: any write that a
	// deposed leader still has in flight carries an older resourceVersion and fails.
	fenced bool
	// assumed are the statuses that this leader has decided to write on this version
	// of the binding. Each may be in effect, or take effect at any time, until a newer
	// version is seen: no error of a write proves that it has not.
	assumed []*signetv1alpha1.SignatureBindingStatus
	slots   []Slot
}

// claim is the relation of an entry to one slot that it lists or holds.
type claim struct {
	entry *entry
	// listed is true if the spec lists the slot.
	listed bool
	// lossRecorded is true if the acknowledged status records that another binding
	// gets the slot.
	lossRecorded bool
	// apiStatus is the entry of the acknowledged status for the slot, or nil.
	apiStatus *signetv1alpha1.APIStatus
	// assumed is the entry of an assumed status that holds the slot; nil if none does.
	assumed *signetv1alpha1.APIStatus
}

// mayHold reports whether the binding holds the slot, or may hold it by a write
// whose outcome is not known.
func (c claim) mayHold() bool { return !c.boundAt().IsZero() || c.assumed != nil }

// boundAt returns since when the binding holds the slot, as acknowledged; zero if
// it does not.
func (c claim) boundAt() time.Time {
	if c.apiStatus == nil || c.apiStatus.BoundAt == nil {
		return time.Time{}
	}
	return c.apiStatus.BoundAt.Time
}

func (c claim) candidate() Candidate {
	candidate := Candidate{
		Name:    c.entry.binding.Name,
		Created: c.entry.binding.CreationTimestamp.Time,
		BoundAt: c.boundAt(),
	}
	if candidate.BoundAt.IsZero() && c.assumed != nil {
		candidate.BoundAt = c.assumed.BoundAt.Time
	}
	return candidate
}

// blocks reports whether the binding must be written before the slot may be granted
// to another one.
func (c claim) blocks(claiming bool) bool {
	if !c.entry.binding.DeletionTimestamp.IsZero() {
		return c.mayHold()
	}
	return c.mayHold() || !c.entry.fenced || (claiming && !c.lossRecorded)
}

// recordsLoss reports whether an entry of a status records that another binding
// gets the slot.
func recordsLoss(apiStatus *signetv1alpha1.APIStatus) bool {
	return apiStatus != nil &&
		(apiStatus.State == signetv1alpha1.APIConflicted || apiStatus.State == signetv1alpha1.APIStandby)
}
