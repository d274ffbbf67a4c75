// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/material"
)

// A wall clock may be stepped, and the next process may have another one: a
// stage is never shorter than it was promised, a previous version never dropped
// earlier, and neither is held up for ever.
func TestClocksThatAreWrong(t *testing.T) {
	const year = 365 * 24 * time.Hour
	cases := map[string]struct {
		// seen and now are the wall clock, after the step that is waited from.
		seen, now time.Duration
		watched   time.Duration
		retiring  bool
		left      time.Duration
	}{
		"stage, all is well":                  {0, stage, stage, false, 0},
		"stage, stepped ahead":                {0, year, time.Second, false, stage - time.Second},
		"stage, stepped back":                 {0, -year, stage - time.Second, false, time.Second},
		"stage, stepped back, watched":        {0, -year, stage, false, 0},
		"stage, stepped back a little":        {0, stage - time.Minute, stage, false, time.Minute},
		"stage, begun in the future":          {-year, -year, 0, false, stage},
		"stage, begun in the future, watched": {-year, stage - year, stage, false, 0},
		"stage, seen by a new process":        {year, year, 0, false, stage},
		"stage, seen by one that watched":     {time.Minute, time.Minute + stage, stage, false, 0},
		"retire, all is well":                 {0, retire, retire, true, 0},
		"retire, stepped ahead":               {0, year, time.Second, true, retire - time.Second},
		"retire, stepped back":                {0, -year, retire - time.Second, true, time.Second},
		"retire, stepped back, watched":       {0, -year, retire, true, 0},
		"retire, begun in the future":         {-year, -year, 0, true, retire},
		"retire, seen by a new process":       {year, year, 0, true, retire},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			set := staged(t, material.Supplied{})
			since := set.Next.Created
			want := material.Switched
			if c.retiring {
				set = advance(t, set, planOf(withTrigger), at(3*time.Hour)).Set
				since, want = set.Active.Activated, material.Retired
			}
			got := advance(t, set, planOf(withTrigger), material.Moment{Now: since.Add(c.now), FirstSeen: since.Add(c.seen), Watched: c.watched})
			if c.left > 0 {
				want = material.NoStep
			} else {
				got.Again = 0
			}
			if got.Step != want || got.Again != c.left {
				t.Errorf("%q, again after %s; want %q, %s", got.Step, got.Again, want, c.left)
			}
		})
	}
}

// A restart begins a short stage again, but not one of a day: with one restart a day
// the switch would never come.
func TestLongStageSurvivesRestarts(t *testing.T) {
	const day = 24 * time.Hour
	spec := planOf(withTrigger)
	spec.Stage = day
	set := staged(t, material.Supplied{})
	since := set.Next.Created
	// The second process starts an hour before the stage ends, the third after it.
	for name, c := range map[string]struct {
		started, watched, left time.Duration
	}{
		"the stage lasts":              {23 * time.Hour, 59 * time.Minute, time.Minute},
		"the stage is over":            {23 * time.Hour, time.Hour, 0},
		"after another restart":        {25 * time.Hour, 0, 15 * time.Minute},
		"a while after that":           {25 * time.Hour, 14 * time.Minute, time.Minute},
		"a quarter of an hour after":   {25 * time.Hour, 15 * time.Minute, 0},
		"a clock that is a day ahead":  {day, 0, 15 * time.Minute},
		"a clock that is a day behind": {-day, day, day},
	} {
		t.Run(name, func(t *testing.T) {
			moment := material.Moment{Now: since.Add(c.started + c.watched), FirstSeen: since.Add(c.started), Watched: c.watched}
			got := advance(t, set, spec, moment)
			if switched := got.Step == material.Switched; switched != (c.left == 0) || (!switched && got.Again != c.left) {
				t.Errorf("%q, again after %s; want %s", got.Step, got.Again, c.left)
			}
		})
	}
}

// Times are whole seconds. Rounding shortens nothing, also for a process that
// begins to watch a little later.
func TestDelaysAreNotRoundedDown(t *testing.T) {
	const bit = 678 * time.Millisecond
	moment := material.Moment{Now: began.Add(bit), FirstSeen: began.Add(bit)}
	set := advance(t, made(t, material.Supplied{}), planOf(withTrigger), moment).Set
	early := material.Moment{Now: began.Add(bit + stage - time.Millisecond), FirstSeen: began, Watched: time.Hour}
	if got := advance(t, set, planOf(withTrigger), early); got.Step != material.NoStep {
		t.Fatalf("%q a millisecond early", got.Step)
	}
	due := material.Moment{Now: began.Add(bit + stage + time.Second), FirstSeen: began, Watched: time.Hour}
	switched := advance(t, set, planOf(withTrigger), due).Set
	if switched.Previous.Retires.Before(due.Now.Add(retire)) {
		t.Errorf("previous retires at %s", switched.Previous.Retires)
	}
}

// Times that another client has written or removed.
func TestTimesOfOtherClients(t *testing.T) {
	set := advance(t, staged(t, material.Supplied{}), planOf(withTrigger), at(3*time.Hour)).Set
	began := set.Active.Activated
	for name, c := range map[string]struct {
		change func(*material.Set)
		left   time.Duration
	}{
		"never retires":        {func(s *material.Set) { s.Previous.Retires = began.AddDate(7000, 0, 0) }, retire},
		"retires at no time":   {func(s *material.Set) { s.Previous.Retires = time.Time{} }, retire},
		"active since no time": {func(s *material.Set) { s.Active.Activated = time.Time{} }, retire},
		"retired before":       {func(s *material.Set) { s.Previous.Retires = began.AddDate(-1, 0, 0) }, 0},
		"staged at no time": {func(s *material.Set) {
			s.Next, s.Previous = s.Previous, nil
			s.Next.Created = time.Time{}
		}, stage},
	} {
		t.Run(name, func(t *testing.T) {
			set := set.Clone()
			c.change(set)
			got := advance(t, set, planOf(withTrigger), material.Moment{Now: began, FirstSeen: began})
			if got.Again != c.left {
				t.Errorf("%q, again after %s, want %s", got.Step, got.Again, c.left)
			}
		})
	}
}
