// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/status"
)

func TestRefusalPersistsAfterHalfAMinute(t *testing.T) {
	refused := status.Refusal{Reason: "WriteRefused", Message: "WriteRefused.", Since: now}
	for name, c := range map[string]struct {
		refusal status.Refusal
		at      time.Time
		want    bool
	}{
		"no refusal":           {status.Refusal{}, now, false},
		"a new one":            {refused, now, false},
		"after 29 seconds":     {refused, now.Add(29 * time.Second), false},
		"after 30 seconds":     {refused, now.Add(30 * time.Second), true},
		"after several hours":  {refused, now.Add(5 * time.Hour), true},
		"the clock was turned": {refused, now.Add(-time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.refusal.Persists(c.at); got != c.want {
				t.Errorf("Persists = %t, want %t", got, c.want)
			}
		})
	}
	if got, want := refused.Readiness(), status.Waiting("WriteRefused", "WriteRefused."); got != want {
		t.Errorf("Readiness = %v, want %v", got, want)
	}
}
