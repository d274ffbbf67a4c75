// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"math/rand/v2"
	"sync"
	"time"
)

// dice are a seeded source of decisions for several goroutines. The same seed gives
// the same decisions in the same order, whichever goroutine asks.
type dice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

// newDice returns the dice of one part of a run.
func newDice(seed, part uint64) *dice {
	return &dice{rand: rand.New(rand.NewPCG(seed, part))}
}

// below returns a number from 0 to n-1.
func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(n)
}

// between returns a time from low to high.
func (d *dice) between(low, high time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return low + time.Duration(d.rand.Int64N(int64(high-low)))
}

// choice is something to choose, more often the larger its weight.
type choice[T any] struct {
	weight int
	what   T
}

// choose returns one of the choices.
func choose[T any](d *dice, choices []choice[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	left := d.below(total)
	for _, c := range choices {
		if left -= c.weight; left < 0 {
			return c.what
		}
	}
	return choices[len(choices)-1].what
}
