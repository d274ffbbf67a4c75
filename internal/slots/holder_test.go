// SPDX-License-Identifier: Apache-2.0

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
		candidates []slots.Candidate
		want       string
	}{
		"without candidates":                                    {nil, ""},
		"the oldest candidate":                                  {[]slots.Candidate{{Name: "a", Created: at(2)}, {Name: "b", Created: at(1)}}, "b"},
		"the first by name of two equally old ones":             {[]slots.Candidate{{Name: "b", Created: at(1)}, {Name: "a", Created: at(1)}}, "a"},
		"the holder, even if it is younger":                     {[]slots.Candidate{{Name: "a", Created: at(1)}, {Name: "b", Created: at(2), BoundAt: at(3)}}, "b"},
		"of two holders, the one that has held the slot longer": {[]slots.Candidate{{Name: "a", Created: at(1), BoundAt: at(4)}, {Name: "b", Created: at(2), BoundAt: at(3)}}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			permute(test.candidates, func(candidates []slots.Candidate) {
				if got := slots.Holder(candidates); got != test.want {
					t.Errorf("Holder(%v) = %q, want %q", candidates, got, test.want)
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
