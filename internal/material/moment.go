// SPDX-License-Identifier: Apache-2.0

package material

import "time"

// minWatch is the least time for which the process that switches or drops a version
// has to have watched the set as it is, unless the whole delay is shorter. It is
// limited, so that frequent restarts cannot delay a rotation forever.
const minWatch = 900 * time.Second

// Watch records since when a process has seen a rotation in one state.
type Watch struct {
	// State is the RotationState that is being watched; empty if none is.
	State string
	// FirstSeen is what the wall clock showed when the process first saw it.
	FirstSeen time.Time
	// Watched is how long ago that was, by a clock that is never stepped.
	Watched time.Duration
}

// Moment returns the moment at which a rotation in the given state is examined.
// A state that has not been watched is seen for the first time now.
func (w Watch) Moment(state string, now time.Time) Moment {
	if w.State != state {
		return Moment{Now: now, FirstSeen: now}
	}
	return Moment{Now: now, FirstSeen: w.FirstSeen, Watched: w.Watched}
}

// Moment is when a set is examined. A wall clock alone cannot measure a delay,
// because it may be stepped, and another process may have another one. So the
// moment includes for how long this process has watched the set as it is, by a
// clock that is never stepped.
type Moment struct {
	// Now is what the wall clock shows, and FirstSeen what it showed when this
	// process first saw the set as it is.
	Now, FirstSeen time.Time
	// Watched is how long ago that was, by a clock that is never stepped.
	Watched time.Duration
}

// left returns how much of a delay since a time remains, which is never more
// than the delay, so that a time in the future does not block forever. This
// process has to have watched what remained of the delay when it first saw the
// set, and minWatch in any case, so that a wall clock that is ahead cannot shorten
// the delay.
func (m Moment) left(since time.Time, delay time.Duration) time.Duration {
	atFirst := min(delay, since.Add(delay).Sub(m.FirstSeen))
	left := max(0, atFirst, min(delay, minWatch)) - m.Watched
	if !m.Now.Before(since) {
		left = max(left, since.Add(delay).Sub(m.Now))
	}
	return max(0, left)
}
