package material

import "time"

// minWatch is how long a previous version is watched at least, by the process
// that drops it. See Moment.
const minWatch = 900 * time.Second

// Moment is when a set is looked at. A wall clock alone cannot measure a delay:
// it may be stepped, and another process may have another one. So whoever looks
// says, too, for how long it has watched the set as it is, by a clock that is
// never stepped.
type Moment struct {
	// Now is what the wall clock shows, and FirstSeen what it showed when this
	// process first saw the set as it is.
	Now, FirstSeen time.Time
	// Watched is how long ago that was, by a clock that is never stepped.
	Watched time.Duration
}

// left is how much of a delay since a time is still to come; not more than the
// delay, so that a time in the future holds up nothing for ever. Of the delay
// this process has to have watched what was left when it first saw the set, and
// least at any rate: then a wall clock that is ahead cannot shorten it.
func (m Moment) left(since time.Time, delay, least time.Duration) time.Duration {
	atFirst := min(delay, since.Add(delay).Sub(m.FirstSeen))
	left := max(0, atFirst, min(delay, least)) - m.Watched
	if !m.Now.Before(since) {
		left = max(left, since.Add(delay).Sub(m.Now))
	}
	return max(0, left)
}
