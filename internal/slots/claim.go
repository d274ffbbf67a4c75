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
	// ineligible is true if the binding was created after the deletion of its key, and
	// claims nothing.
	ineligible bool
	// assumed are the statuses that this leader has decided to write on this version
	// of the binding. Each may be in effect, or take effect at any time, until a newer
	// version is seen: no error of a write proves that it has not.
	assumed []*signetv1alpha1.SignatureBindingStatus
	// claims are those of spec.apis, in that order, and then those of other slots that
	// the binding holds, or may hold by an assumed status.
	claims []claim
	// signs is how the binding signs, or would sign, and wants how it is to sign.
	signs, wants signingOptions
	// round is the last one in which the binding was found (NamespaceCache.round).
	round uint64
}

// claim is the relation of an entry to one slot that it lists or holds.
type claim struct {
	entry *entry
	slot  *slotClaims
	// previous and next are the neighbors among the claims of the slot.
	previous, next *claim
	// listed is true if the spec lists the slot.
	listed bool
	// apiStatus is the entry of the acknowledged status for the slot, or nil.
	apiStatus *signetv1alpha1.APIStatus
	// assumed is the entry of an assumed status that holds the slot; nil if none does.
	assumed *signetv1alpha1.APIStatus
}

// isClaimant reports whether the binding may be the holder of the slot.
func (c *claim) isClaimant() bool {
	return c.listed && c.entry.binding.DeletionTimestamp.IsZero() && !c.entry.ineligible
}

// mayHold reports whether the binding holds the slot, or may hold it by a write
// whose outcome is not known.
func (c *claim) mayHold() bool { return !c.boundAt().IsZero() || c.assumed != nil }

// isUnfenced reports whether a late write of an earlier leader may still grant the
// binding the slot.
func (c *claim) isUnfenced() bool {
	return !c.entry.fenced && c.entry.binding.DeletionTimestamp.IsZero()
}

// boundAt returns since when the binding holds the slot, as acknowledged; zero if
// it does not.
func (c *claim) boundAt() time.Time {
	if c.apiStatus == nil || c.apiStatus.BoundAt == nil {
		return time.Time{}
	}
	return c.apiStatus.BoundAt.Time
}

func (c *claim) candidate() Candidate {
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

// precedes reports whether the claim has precedence over another one, or there is no
// other.
func (c *claim) precedes(other *claim) bool {
	return other == nil || precedence(c.candidate(), other.candidate()) < 0
}

// nameOf returns the name of the claim's binding; empty for nil.
func nameOf(c *claim) string {
	if c == nil {
		return ""
	}
	return c.entry.binding.Name
}
