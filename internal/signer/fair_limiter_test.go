// SPDX-License-Identifier: Apache-2.0

package signer

import "testing"

// acquireAll acquires units until the caller gets no more, and returns how many.
func acquireAll(l *fairLimiter, caller byte) int {
	acquired := 0
	for l.acquire(identity{caller}) {
		acquired++
	}
	return acquired
}

func TestNoCallerHoldsAllUnits(t *testing.T) {
	l := newFairLimiter(100)
	if got := acquireAll(l, 1); got != 50 {
		t.Errorf("single caller: %d of 100", got)
	}
	if got := acquireAll(l, 2); got != 25 {
		t.Errorf("second caller, while the first holds its quota: %d", got)
	}
	for range 50 - 33 {
		l.release(identity{1})
	}
	if got := acquireAll(l, 2); got != 9 {
		t.Errorf("second caller, after the first has released down to a third: %d more", got)
	}
	if got := acquireAll(l, 3); got == 0 {
		t.Error("third caller: none")
	}
}

func TestReleasedUnitsAreAvailable(t *testing.T) {
	l := newFairLimiter(3)
	for range 5 {
		for caller := range byte(2) {
			if got := acquireAll(l, caller); got == 0 {
				t.Fatalf("caller %d: none", caller)
			}
		}
		for id, held := range l.held {
			for range held {
				l.release(id)
			}
		}
		if l.free != 3 || len(l.held) != 0 {
			t.Fatalf("%d of 3 are free, %d callers remain", l.free, len(l.held))
		}
	}
	if got := acquireAll(newFairLimiter(1), 1); got != 1 {
		t.Errorf("only unit: %d", got)
	}
}
