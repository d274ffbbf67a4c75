// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

const (
	stage  = 120 * time.Second
	retire = 900 * time.Second
)

// began is when the material of these tests was first made.
var began = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

// at is a moment seen by a process that has watched the set all the time.
func at(after time.Duration) material.Moment {
	return material.Moment{Now: began.Add(after), FirstSeen: began, Watched: after}
}

// planOf is a plan with the usual delays.
func planOf(change func(*material.RotationSpec)) material.RotationSpec {
	plan := material.RotationSpec{Supplied: &material.Supplied{}, Stage: stage, Retire: retire}
	if change != nil {
		change(&plan)
	}
	return plan
}

func advance(t *testing.T, set *material.Set, plan material.RotationSpec, moment material.Moment) material.Outcome {
	t.Helper()
	before := set.Encode()
	outcome, err := set.Advance(plan, moment, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, set.Encode()); diff != "" {
		t.Fatalf("Advance has changed what it was given:\n%s", diff)
	}
	if outcome.Step == material.NoStep && outcome.Set != set {
		t.Error("no step, and another set")
	}
	return outcome
}

// made is the first material of a key of type HMAC.
func made(t *testing.T, supplied material.Supplied) *material.Set {
	t.Helper()
	set, err := material.First(keys()["HMAC"], supplied, began, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func withTrigger(p *material.RotationSpec) { p.Trigger = "2026-11" }

func TestOneRotation(t *testing.T) {
	for name, key := range keys() {
		t.Run(name, func(t *testing.T) {
			set, err := material.First(key, material.Supplied{}, began, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			spec := planOf(withTrigger)
			begin := began.Add(time.Hour)
			staged := expectStaged(t, set, spec, begin)
			expectTooEarly(t, staged, spec, begin, stage)
			switched := expectSwitched(t, staged, spec, begin)
			begin = begin.Add(stage)
			expectTooEarly(t, switched, spec, begin, retire)
			retired := advance(t, switched, spec, watchedSince(begin, retire))
			if retired.Step != material.Retired || retired.Set.Previous != nil || retired.Set.Active.ID != switched.Active.ID {
				t.Fatalf("%s", retired.Step)
			}
			if again := advance(t, retired.Set, spec, watchedSince(begin, retire)); again.Step != material.NoStep || again.Again != 0 {
				t.Errorf("%s after the end, again after %s", again.Step, again.Again)
			}
		})
	}
}

// watchedSince is the moment of a process that has watched a set since it was
// written.
func watchedSince(written time.Time, after time.Duration) material.Moment {
	return material.Moment{Now: written.Add(after), FirstSeen: written, Watched: after}
}

func expectStaged(t *testing.T, set *material.Set, spec material.RotationSpec, now time.Time) *material.Set {
	t.Helper()
	staged := advance(t, set, spec, at(now.Sub(began)))
	if staged.Step != material.Staged || staged.Again != stage || !staged.Set.Active.Key.Equal(set.Active.Key) {
		t.Fatalf("%s, again after %s", staged.Step, staged.Again)
	}
	if next := staged.Set.Next; next.Key.Equal(set.Active.Key) || next.Secret.Equal(set.Active.Secret) ||
		next.Created != now || !next.Activated.IsZero() {
		t.Errorf("next is %+v", next)
	}
	if staged.Set.Trigger != "2026-11" {
		t.Error("the trigger is not recorded")
	}
	return staged.Set
}

// expectTooEarly checks that nothing happens a second before a step is due.
func expectTooEarly(t *testing.T, set *material.Set, spec material.RotationSpec, begin time.Time, delay time.Duration) {
	t.Helper()
	if early := advance(t, set, spec, watchedSince(begin, delay-time.Second)); early.Step != material.NoStep || early.Again != time.Second {
		t.Fatalf("%s a second early, again after %s", early.Step, early.Again)
	}
}

func expectSwitched(t *testing.T, staged *material.Set, spec material.RotationSpec, begin time.Time) *material.Set {
	t.Helper()
	switched := advance(t, staged, spec, watchedSince(begin, stage))
	if switched.Step != material.Switched || switched.Again != retire || switched.Set.Next != nil ||
		switched.Set.Active.ID != staged.Next.ID || switched.Set.Previous.ID != staged.Active.ID {
		t.Fatalf("%s, again after %s", switched.Step, switched.Again)
	}
	if got, want := switched.Set.Previous.Retires, begin.Add(stage+retire); got != want {
		t.Errorf("previous retires at %s, want %s", got, want)
	}
	if got, want := switched.Set.Active.Activated, begin.Add(stage); got != want {
		t.Errorf("active since %s, want %s", got, want)
	}
	return switched.Set
}

func TestWhatBeginsARotation(t *testing.T) {
	const day = 24 * time.Hour
	ownKey, ownSecret := material.Bytes("planted_key"), material.Bytes("planted-secret-0123456789")
	both := material.Supplied{Key: ownKey, Secret: ownSecret}
	cases := map[string]struct {
		had   material.Supplied
		plan  func(*material.RotationSpec)
		after time.Duration
		step  material.Step
		again time.Duration
	}{
		"nothing":         {},
		"other delays":    {plan: func(p *material.RotationSpec) { p.Stage, p.Retire = 1, 1 }},
		"a trigger":       {plan: withTrigger, step: material.Staged, again: stage},
		"a day too early": {plan: func(p *material.RotationSpec) { p.Interval = 90 * day }, after: 89 * day, again: day},
		"the schedule":    {plan: func(p *material.RotationSpec) { p.Interval = 90 * day }, after: 90 * day, step: material.Staged, again: stage},
		"the schedule, long ago": {plan: func(p *material.RotationSpec) { p.Interval = 90 * day }, after: 900 * day,
			step: material.Staged, again: stage},
		"a supplied component": {plan: func(p *material.RotationSpec) { p.Supplied.Key = ownKey }, step: material.Staged, again: stage},
		"an unchanged supplied component": {had: material.Supplied{Key: ownKey}, plan: func(p *material.RotationSpec) { p.Supplied.Key = ownKey },
			after: day},
		"a component that is no longer supplied": {had: both},
		"a trigger with nothing to rotate": {had: both, plan: func(p *material.RotationSpec) { withTrigger(p); p.Supplied = &both },
			step: material.NothingToRotate},
		"the schedule with nothing to rotate":     {had: both, plan: func(p *material.RotationSpec) { p.Interval, p.Supplied = day, &both }, after: 9 * day},
		"a trigger without a valid source":        {plan: func(p *material.RotationSpec) { withTrigger(p); p.Supplied = nil }},
		"the schedule without a valid source":     {plan: func(p *material.RotationSpec) { p.Interval, p.Supplied = day, nil }, after: 9 * day},
		"a revoke trigger without a valid source": {plan: func(p *material.RotationSpec) { p.RevokeTrigger, p.Supplied = "leak", nil }},
		"a revoke trigger":                        {plan: func(p *material.RotationSpec) { p.RevokeTrigger = "leak" }, step: material.Replaced},
		"a revoke trigger with nothing to rotate": {had: both, plan: func(p *material.RotationSpec) { p.RevokeTrigger, p.Supplied = "leak", &both },
			step: material.NothingToRotate},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			set := made(t, c.had)
			got := advance(t, set, planOf(c.plan), at(c.after))
			if got.Step != c.step || got.Again != c.again {
				t.Errorf("%q, again after %s; want %q, %s", got.Step, got.Again, c.step, c.again)
			}
			if again := advance(t, got.Set, planOf(c.plan), at(c.after)); again.Step != material.NoStep {
				t.Errorf("%q once more", again.Step)
			}
		})
	}
}

func TestTriggersThatAreTakenAway(t *testing.T) {
	set := made(t, material.Supplied{}).WithTriggers("2026-11", "leak")
	if got := advance(t, set, planOf(nil), at(0)); got.Step != material.NoStep {
		t.Errorf("%q", got.Step)
	}
}

// Generated components are renewed; supplied ones are taken from the source.
func TestRotatedComponents(t *testing.T) {
	set := made(t, material.Supplied{Key: material.Bytes("planted_key")})
	for name, c := range map[string]struct {
		supplied               material.Supplied
		trigger                string
		keyChanges, secChanges bool
	}{
		"a supplied key that stays":   {material.Supplied{Key: set.Active.Key}, "renew", false, true},
		"a supplied key that changes": {material.Supplied{Key: material.Bytes("another_key")}, "", true, false},
		"both at once":                {material.Supplied{Key: material.Bytes("another_key")}, "renew", true, true},
		"no longer supplied":          {material.Supplied{}, "renew", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := advance(t, set, planOf(func(p *material.RotationSpec) { p.Supplied, p.Trigger = &c.supplied, c.trigger }), at(0))
			next := got.Set.Next
			if next == nil || next.Key.Equal(set.Active.Key) == c.keyChanges || next.Secret.Equal(set.Active.Secret) == c.secChanges {
				t.Fatalf("next has another key: %t, another secret: %t", !c.keyChanges, !c.secChanges)
			}
			if c.supplied.Key != nil && !next.Key.Equal(c.supplied.Key) {
				t.Error("next does not have the supplied key")
			}
		})
	}
}

func TestSuppliedMaterialThatBreaksARule(t *testing.T) {
	set := made(t, material.Supplied{})
	plan := planOf(func(p *material.RotationSpec) { p.Supplied.Secret = material.Bytes("planted") })
	if _, err := set.Advance(plan, at(0), rand.Reader); !errors.Is(err, material.ErrBroken) || strings.Contains(err.Error(), "planted") {
		t.Errorf("Advance = %v", err)
	}
}

// staged is a set with a next version, made an hour after the first.
func staged(t *testing.T, supplied material.Supplied) *material.Set {
	t.Helper()
	plan := planOf(func(p *material.RotationSpec) { withTrigger(p); p.Supplied = &supplied })
	return advance(t, made(t, material.Supplied{}), plan, at(time.Hour)).Set
}

func TestSourceThatChangesWhileNextIsStaged(t *testing.T) {
	one := material.Supplied{Key: material.Bytes("planted_key_1")}
	two := material.Supplied{Key: material.Bytes("planted_key_2")}
	set := staged(t, one)
	late := at(time.Hour + stage)
	late.FirstSeen, late.Watched = began.Add(time.Hour), stage

	t.Run("to another value", func(t *testing.T) {
		got := advance(t, set, planOf(func(p *material.RotationSpec) { withTrigger(p); p.Supplied = &two }), late)
		if got.Step != material.Staged || got.Set.Next.ID == set.Next.ID || got.Set.Next.Created != late.Now {
			t.Fatalf("%q, created at %s", got.Step, got.Set.Next.Created)
		}
		if !got.Set.Next.Key.Equal(two.Key) || !got.Set.Next.Secret.Equal(set.Next.Secret) {
			t.Error("next has to have the key that is supplied now, and the secret that was generated")
		}
	})
	t.Run("back", func(t *testing.T) {
		set := advance(t, made(t, one), planOf(func(p *material.RotationSpec) { p.Supplied = &two }), at(0)).Set
		got := advance(t, set, planOf(func(p *material.RotationSpec) { p.Supplied = &one }), late)
		if got.Step != material.Canceled || got.Set.Next != nil || !got.Set.Active.Key.Equal(one.Key) {
			t.Errorf("%q", got.Step)
		}
	})
	for name, supplied := range map[string]*material.Supplied{"away": nil, "to nothing": {}} {
		t.Run(name, func(t *testing.T) {
			got := advance(t, set, planOf(func(p *material.RotationSpec) { withTrigger(p); p.Supplied = supplied }), late)
			if got.Step != material.Switched || got.Set.Active.ID != set.Next.ID {
				t.Errorf("%q", got.Step)
			}
		})
	}
}

func TestWhatIsAskedForDuringARotationBeginsAfterIt(t *testing.T) {
	for name, change := range map[string]func(*material.RotationSpec){
		"a trigger":            func(p *material.RotationSpec) { p.Trigger = "2026-12" },
		"a supplied component": func(p *material.RotationSpec) { withTrigger(p); p.Supplied.Key = material.Bytes("planted_key") },
	} {
		t.Run(name, func(t *testing.T) {
			set := staged(t, material.Supplied{})
			switched := advance(t, set, planOf(withTrigger), at(3*time.Hour)).Set
			plan := planOf(change)
			if got := advance(t, switched, plan, material.Moment{Now: switched.Active.Activated, FirstSeen: switched.Active.Activated}); got.Step != material.NoStep {
				t.Fatalf("%q while previous verifies", got.Step)
			}
			late := material.Moment{Now: began.Add(9 * time.Hour), FirstSeen: began.Add(3 * time.Hour), Watched: 6 * time.Hour}
			retired := advance(t, switched, plan, late)
			if retired.Step != material.Retired {
				t.Fatalf("%q", retired.Step)
			}
			if got := advance(t, retired.Set, plan, late); got.Step != material.Staged {
				t.Errorf("%q after the rotation", got.Step)
			}
		})
	}
	t.Run("a trigger while next is staged", func(t *testing.T) {
		got := advance(t, staged(t, material.Supplied{}), planOf(func(p *material.RotationSpec) { p.Trigger = "2026-12" }), at(3*time.Hour))
		if got.Step != material.Switched || got.Set.Trigger != "2026-11" {
			t.Errorf("%q, and the trigger acted upon is %q", got.Step, got.Set.Trigger)
		}
	})
}

func TestRevokeTrigger(t *testing.T) {
	leaked := planOf(func(p *material.RotationSpec) { p.Trigger, p.RevokeTrigger = "2026-12", "leak" })
	set := staged(t, material.Supplied{})
	switched := advance(t, set, planOf(withTrigger), at(3*time.Hour)).Set
	for name, set := range map[string]*material.Set{"settled": made(t, material.Supplied{}), "staged": set, "retiring": switched} {
		t.Run(name, func(t *testing.T) {
			got := advance(t, set, leaked, at(4*time.Hour))
			if got.Step != material.Replaced || got.Set.Next != nil || got.Set.Previous != nil {
				t.Fatalf("%q", got.Step)
			}
			for _, v := range set.Versions() {
				if v.ID == got.Set.Active.ID {
					t.Errorf("%s version is active, and existed before", v.State)
				}
			}
			if got.Set.Trigger != "2026-12" || got.Set.RevokeTrigger != "leak" || got.Set.Active.Activated != began.Add(4*time.Hour) {
				t.Errorf("trigger %q, revoke trigger %q, activated %s", got.Set.Trigger, got.Set.RevokeTrigger, got.Set.Active.Activated)
			}
		})
	}
	t.Run("with supplied components that are already active", func(t *testing.T) {
		supplied := material.Supplied{Key: switched.Active.Key, Secret: switched.Active.Secret}
		got := advance(t, switched, planOf(func(p *material.RotationSpec) { p.RevokeTrigger, p.Supplied = "leak", &supplied }), at(4*time.Hour))
		if got.Step != material.Retired || got.Set.Previous != nil || got.Set.Active.ID != switched.Active.ID {
			t.Errorf("%q", got.Step)
		}
	})
}

func TestNextRotation(t *testing.T) {
	set := made(t, material.Supplied{})
	scheduled := func(p *material.RotationSpec) { p.Interval = 24 * time.Hour }
	far := set.Clone()
	far.Active.Activated = time.Date(9999, time.December, 31, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		set  *material.Set
		plan func(*material.RotationSpec)
		want time.Time
	}{
		"no schedule":      {set, nil, time.Time{}},
		"a schedule":       {set, scheduled, began.Add(24 * time.Hour)},
		"a staged version": {staged(t, material.Supplied{}), scheduled, time.Time{}},
		"no sound source":  {set, func(p *material.RotationSpec) { scheduled(p); p.Supplied = nil }, time.Time{}},
		"nothing generated": {set, func(p *material.RotationSpec) {
			scheduled(p)
			p.Supplied = &material.Supplied{Key: []byte{}, Secret: []byte{}}
		}, time.Time{}},
		"a time beyond all dates": {far, scheduled, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.set.NextRotation(planOf(c.plan)); !got.Equal(c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// What backends read from the public ConfigMap before the Secret changes has all
// that the Secret has before and after.
func TestBetween(t *testing.T) {
	set := made(t, material.Supplied{})
	next := staged(t, material.Supplied{})
	switched := advance(t, next, planOf(withTrigger), at(3*time.Hour)).Set
	retired := advance(t, switched, planOf(withTrigger), at(9*time.Hour)).Set
	replaced := advance(t, set, planOf(func(p *material.RotationSpec) { p.RevokeTrigger = "leak" }), at(0)).Set
	withNext := set.Clone()
	withNext.Next = &replaced.Active
	start := next.Clone()
	start.Next = nil
	for name, c := range map[string]struct{ from, to, want *material.Set }{
		"nothing":      {set, set, set},
		"staged":       {start, next, next},
		"switched":     {next, switched, switched},
		"retired":      {switched, retired, switched},
		"replaced":     {set, replaced, withNext},
		"another next": {withNext, func() *material.Set { s := set.Clone(); s.Next = next.Next; return s }(), func() *material.Set { s := set.Clone(); s.Next = next.Next; return s }()},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want.Encode(), c.from.Union(c.to).Encode()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAdopted(t *testing.T) {
	key := keys()["HMAC"]
	key.Spec.Rotation = &signetv1alpha1.Rotation{Trigger: "other", RevokeTrigger: "other"}
	set := staged(t, material.Supplied{}).AdoptedBy(key, began.Add(9*time.Hour))
	plan := planOf(func(p *material.RotationSpec) { p.Trigger, p.RevokeTrigger = "other", "other" })
	got := advance(t, set, plan, material.Moment{Now: began.Add(9 * time.Hour), FirstSeen: began.Add(9 * time.Hour)})
	if got.Step != material.NoStep || got.Again != stage || got.Set.Next.Created != began.Add(9*time.Hour) {
		t.Errorf("%q, again after %s: what was restored has to be out for a whole stage", got.Step, got.Again)
	}
}
