// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"cmp"
	"slices"
	"time"
)

// Candidate is a claimant of a slot as the choice of the holder sees it.
type Candidate struct {
	// Name of the claimant.
	Name string
	// Created is the creation time of the claimant.
	Created time.Time
	// BoundAt is the time since when the claimant holds the slot; zero if it does
	// not.
	BoundAt time.Time
}

// Holder returns the name of the one candidate that gets the slot: the one that
// holds it, else the oldest, else the first by name. The result does not depend on
// the order of the candidates, and is empty without any. Only a restored backup
// can let several hold the slot; then the one that has held it longest keeps it.
func Holder(candidates []Candidate) string {
	if len(candidates) == 0 {
		return ""
	}
	return slices.MinFunc(candidates, precedence).Name
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

// IsStandby reports whether a claimant that does not hold the slot lacks nothing:
// the holder signs as the claimant would, and so does the next in line, unless
// that is the claimant itself. If only the next in line signs differently, its
// name is returned. signsAlike is called with the names of other candidates.
func IsStandby(candidates []Candidate, claimant string, signsAlike func(name string) bool) (standby bool, nextInLine string) {
	describe := func(name string) contender {
		return contender{name: name, self: name == claimant, alike: name != "" && name != claimant && signsAlike(name)}
	}
	holder := Holder(candidates)
	next := Holder(slices.DeleteFunc(slices.Clone(candidates), func(c Candidate) bool { return c.Name == holder }))
	return standsBy(describe(holder), describe(next))
}

// contender is a candidate as another claimant sees it.
type contender struct {
	// name is empty if there is none.
	name string
	// self is true if it is the claimant itself.
	self bool
	// alike is true if it signs as the claimant would.
	alike bool
}

func standsBy(holder, next contender) (standby bool, nextInLine string) {
	switch {
	case holder.name == "" || holder.self || !holder.alike:
		return false, ""
	case next.name != "" && !next.self && !next.alike:
		return false, next.name
	default:
		return true, ""
	}
}
