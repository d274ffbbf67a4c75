package signer

import "sync"

// fairLimiter give out places so that nobody can have all of them: a caller gets
// another one while it has fewer than are free. Alone it gets half, of two each a
// third, and whoever has none yet finds one.
type fairLimiter struct {
	mu   sync.Mutex
	free int
	held map[identity]int
}

func newFairLimiter(places int) *fairLimiter {
	return &fairLimiter{free: places, held: map[identity]int{}}
}

// take says whether the caller gets a place. It has to be given back.
func (s *fairLimiter) take(who identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[who] >= s.free {
		return false
	}
	s.free--
	s.held[who]++
	return true
}

func (s *fairLimiter) give(who identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.held[who]--; s.held[who] == 0 {
		delete(s.held, who)
	}
}
