package slots_test

import (
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/slots"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func TestHolder(t *testing.T) {
	for name, test := range map[string]struct {
		claims []slots.Candidate
		want   string
	}{
		"nobody":                 {nil, ""},
		"the oldest":             {[]slots.Candidate{{Name: "a", Created: at(2)}, {Name: "b", Created: at(1)}}, "b"},
		"the first by name":      {[]slots.Candidate{{Name: "b", Created: at(1)}, {Name: "a", Created: at(1)}}, "a"},
		"the holder, if younger": {[]slots.Candidate{{Name: "a", Created: at(1)}, {Name: "b", Created: at(2), BoundAt: at(3)}}, "b"},
		"who held first, of two": {[]slots.Candidate{{Name: "a", Created: at(1), BoundAt: at(4)}, {Name: "b", Created: at(2), BoundAt: at(3)}}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			permute(test.claims, func(claims []slots.Candidate) {
				if got := slots.Holder(claims); got != test.want {
					t.Errorf("Holder(%v) = %q, want %q", claims, got, test.want)
				}
			})
		})
	}
}

// permute calls visit with every order of the items.
func permute[T any](items []T, visit func([]T)) {
	var from func(int)
	from = func(i int) {
		if i >= len(items)-1 {
			visit(items)
			return
		}
		for j := i; j < len(items); j++ {
			items[i], items[j] = items[j], items[i]
			from(i + 1)
			items[i], items[j] = items[j], items[i]
		}
	}
	from(0)
}
