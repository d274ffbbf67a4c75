package signer

import "testing"

// most takes places until there is no more for the caller.
func most(s *fairLimiter, who byte) int {
	taken := 0
	for s.take(identity{who}) {
		taken++
	}
	return taken
}

func TestNobodyHasAllPlaces(t *testing.T) {
	s := newFairLimiter(100)
	if got := most(s, 1); got != 50 {
		t.Errorf("alone: %d of 100", got)
	}
	if got := most(s, 2); got != 25 {
		t.Errorf("beside one that has its share: %d", got)
	}
	for range 50 - 33 {
		s.give(identity{1})
	}
	if got := most(s, 2); got != 9 {
		t.Errorf("when that one has given back down to a third: %d more", got)
	}
	if got := most(s, 3); got == 0 {
		t.Error("a third caller gets none")
	}
}

func TestPlacesComeBack(t *testing.T) {
	s := newFairLimiter(3)
	for range 5 {
		for who := range byte(2) {
			if got := most(s, who); got == 0 {
				t.Fatalf("caller %d gets none", who)
			}
		}
		for who, held := range s.held {
			for range held {
				s.give(who)
			}
		}
		if s.free != 3 || len(s.held) != 0 {
			t.Fatalf("%d of 3 are free, %d callers remembered", s.free, len(s.held))
		}
	}
	if one := newFairLimiter(1); most(one, 1) != 1 {
		t.Error("the only place is nobody's")
	}
}
