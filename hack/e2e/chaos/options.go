// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"io"
	"time"
)

// Options describe a run.
type Options struct {
	// Seed of everything that is random, except in the programs under test.
	Seed uint64
	// Faults to inject, in Rounds of the same size. Each round ends with a calm, in
	// which all has to settle.
	Faults, Rounds int
	// Namespaces that the workload uses.
	Namespaces int
	// Settle is how long a calm may take, and Cleanup how long all may take to go.
	Settle, Cleanup time.Duration
	// Heal is how long Signet may take, under faults, to protect what a user has
	// stripped.
	Heal time.Duration
	// StopEarly ends the run with the first broken rule.
	StopEarly bool
	// Checkout is where the manager under test is built; empty: the one that the test
	// runs in.
	Checkout string
	// Out gets a line about each round.
	Out io.Writer
}

const (
	// The lease is as short as two busy cores allow.
	leaseDuration = 4 * time.Second
	renewDeadline = 3 * time.Second
	retryPeriod   = 500 * time.Millisecond
	// longestLate is how long a write may be on its way after its connection was reset.
	longestLate = 7 * time.Second
)
