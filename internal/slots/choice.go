// Package slots decides which binding holds a slot: an API in an environment.
// The choice is a pure function; the ledger is what the choice is made on.
package slots

import (
	"cmp"
	"slices"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Slot is an API in an environment, within a namespace. At most one binding
// holds it at any time (invariant 1).
type Slot struct {
	Environment string
	API         signetv1alpha1.APIReference
}

// Candidate is a binding's claim to a slot.
type Candidate struct {
	// Name is the name of the claimant.
	Name string
	// Created is the creation time of the claimant.
	Created time.Time
	// BoundAt is since when the claimant holds the slot; zero if it does not.
	BoundAt time.Time
}

// Holder chooses the one binding that the slot belongs to: who holds it, else
// the oldest, else the first by name. It is the same for every order of the
// claims, and empty without claims. Should several hold the slot, which only a
// restored backup can bring about, the one that has held it longest keeps it.
func Holder(claims []Candidate) string {
	if len(claims) == 0 {
		return ""
	}
	return slices.MinFunc(claims, precedence).Name
}

func precedence(a, b Candidate) int {
	return cmp.Or(
		holdsFirst(a, b),
		a.BoundAt.Compare(b.BoundAt),
		a.Created.Compare(b.Created),
		cmp.Compare(a.Name, b.Name),
	)
}

func holdsFirst(a, b Candidate) int {
	switch {
	case a.BoundAt.IsZero() == b.BoundAt.IsZero():
		return 0
	case b.BoundAt.IsZero():
		return -1
	default:
		return 1
	}
}
