// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// entry is the newest known state of a binding.
type entry struct {
	binding *signetv1alpha1.SignatureBinding
	// fenced is true if this leader wrote the status last, and the write was
	// acknowledged in this term: any write that a deposed leader, or an earlier
	// request of unknown outcome, still has in flight carries an older
	// resourceVersion and fails.
	fenced bool
	slots  []Slot
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
}

func (c claim) holds() bool { return c.apiStatus != nil && c.apiStatus.BoundAt != nil }

func (c claim) boundAt() time.Time {
	if !c.holds() {
		return time.Time{}
	}
	return c.apiStatus.BoundAt.Time
}

func (c claim) candidate() Candidate {
	return Candidate{
		Name:    c.entry.binding.Name,
		Created: c.entry.binding.CreationTimestamp.Time,
		BoundAt: c.boundAt(),
	}
}

// blocks reports whether the binding must be written before the slot may be granted
// to another one.
func (c claim) blocks(claiming bool) bool {
	if !c.entry.binding.DeletionTimestamp.IsZero() {
		return c.holds()
	}
	return c.holds() || !c.entry.fenced || (claiming && !c.lossRecorded)
}

// recordsLoss reports whether an entry of a status records that another binding
// gets the slot.
func recordsLoss(apiStatus *signetv1alpha1.APIStatus) bool {
	return apiStatus != nil &&
		(apiStatus.State == signetv1alpha1.APIConflicted || apiStatus.State == signetv1alpha1.APIStandby)
}
