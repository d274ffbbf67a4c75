// SPDX-License-Identifier: Apache-2.0

package signer

import "sync"

// fairLimiter shares a number of units, such as connections, among callers so
// that none can hold all of them: a caller gets another unit while it holds fewer
// than are free. A single caller gets half of them, two get a third each, and a
// caller without any always finds one.
type fairLimiter struct {
	mu   sync.Mutex
	free int
	held map[identity]int
}

func newFairLimiter(units int) *fairLimiter {
	return &fairLimiter{free: units, held: map[identity]int{}}
}

// acquire reports whether the caller gets a unit. The caller has to release it.
func (l *fairLimiter) acquire(id identity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[id] >= l.free {
		return false
	}
	l.free--
	l.held[id]++
	return true
}

func (l *fairLimiter) release(id identity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	if l.held[id]--; l.held[id] == 0 {
		delete(l.held, id)
	}
}
