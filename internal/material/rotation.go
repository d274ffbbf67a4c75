// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"io"
	"time"
)

// Step is what has become of a set.
type Step string

// The steps of a rotation are staged, switched, retired; the others are what can
// happen beside.
const (
	// NoStep: nothing is to be done.
	NoStep Step = ""
	// Staged: there is a next version, or another one than before.
	Staged Step = "Staged"
	// Switched: next has become active, and active previous.
	Switched Step = "Switched"
	// Retired: previous is gone.
	Retired Step = "Retired"
	// CalledOff: next is gone, which never signed.
	CalledOff Step = "CalledOff"
	// Replaced: there is a new active version, and no other.
	Replaced Step = "Replaced"
	// NothingToRotate: a trigger is noted, and both halves are supplied.
	NothingToRotate Step = "NothingToRotate"
)

// longestRetire is what a spec allows. A previous version that is to verify for
// longer has been given its time by somebody else, or by a clock that was wrong.
const longestRetire = 604800 * time.Second

// RotationSpec is what is wanted of a key's material.
type RotationSpec struct {
	// Supplied are the halves that the user gives; nil while spec or source is
	// not in order. Then nothing is begun, since what is not supplied would be
	// generated; what is under way needs neither, and goes on.
	Supplied *Supplied
	// Interval is how long a version signs before it is renewed; zero: for ever.
	Interval time.Duration
	// Stage is how long next is out before it signs, Retire how long previous
	// verifies after that.
	Stage, Retire time.Duration
	// Trigger and RevokeTrigger ask for a rotation if they are another text than the
	// one last acted upon.
	Trigger, RevokeTrigger string
}

// Outcome is what Advance has decided.
type Outcome struct {
	// Set is as it is to be written, in one write; as it was if there is no step.
	Set *Set
	// Step is what has been done to it.
	Step Step
	// Again is after how long there may be something to do by the clock; zero
	// for never.
	Again time.Duration
}

// generates says that a half is Signet's to renew.
func (p RotationSpec) generates() bool { return p.Supplied != nil && !p.Supplied.Complete() }

// asks says that the text asks for something that has not been done. Taking a
// text away asks for nothing.
func asks(wanted, done string) bool { return wanted != "" && wanted != done }

// Triggered says that the plan asks for a rotation that has not begun.
func (s *Set) Triggered(plan RotationSpec) bool {
	return asks(plan.Trigger, s.Trigger) || asks(plan.RevokeTrigger, s.RevokeTrigger)
}

// Advance takes the next step of a rotation, if it is time. It takes one at a
// time and depends on nothing but its arguments: after a crash at any point the
// set alone says where the rotation stands. One rotation runs at a time; what is
// asked for meanwhile begins after it.
func (s *Set) Advance(plan RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	switch {
	case plan.Supplied != nil && asks(plan.RevokeTrigger, s.RevokeTrigger):
		return s.replace(plan, at, random)
	case s.Previous != nil:
		return s.retire(plan, at), nil
	case s.Next != nil:
		return s.advanceNext(plan, at, random)
	case plan.Supplied != nil:
		return s.begin(plan, at, random)
	default:
		return Outcome{Set: s}, nil
	}
}

// begin stages a next version if there is reason to: a supplied half has
// changed, or a generated one is to be renewed. One rotation does both.
func (s *Set) begin(plan RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	triggered := asks(plan.Trigger, s.Trigger)
	wait, scheduled := s.untilScheduled(plan, at.Now)
	next := s.Clone()
	if triggered {
		next.Trigger = plan.Trigger
	}
	version, err := s.renewed(plan, triggered || (scheduled && wait == 0), random)
	switch {
	case err != nil:
		return Outcome{}, err
	case !version.same(&s.Active):
		next.Next, err = s.newVersion(version.Key, version.Secret, at.Now, random)
		return Outcome{Set: next, Step: Staged, Again: plan.Stage}, err
	case triggered:
		return Outcome{Set: next, Step: NothingToRotate}, nil
	default:
		return Outcome{Set: s, Again: wait}, nil
	}
}

// advanceNext switches to the staged version when its time has come. Until then
// it has signed nothing: should a supplied half change once more, another
// version takes its place, for a stage of its own; should it change back, there
// is nothing to rotate to.
func (s *Set) advanceNext(plan RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	next := s.Clone()
	if plan.Supplied != nil {
		wanted := plan.Supplied.over(s.Next)
		switch {
		case wanted.same(s.Next):
		case wanted.same(&s.Active):
			next.Next = nil
			return Outcome{Set: next, Step: CalledOff}, nil
		default:
			var err error
			next.Next, err = s.newVersion(wanted.Key, wanted.Secret, at.Now, random)
			return Outcome{Set: next, Step: Staged, Again: plan.Stage}, err
		}
	}
	// A stage that is too short makes requests fail: this process watches all
	// of it, even if that begins it anew after a restart.
	if left := at.left(s.Next.Created, plan.Stage, plan.Stage); left > 0 {
		return Outcome{Set: s, Again: left}, nil
	}
	previous := s.Active
	next.Active, next.Next, next.Previous = *s.Next, nil, &previous
	next.Active.Activated = whole(at.Now)
	previous.Retires = next.Active.Activated.Add(plan.Retire)
	return Outcome{Set: next, Step: Switched, Again: plan.Retire}, nil
}

// retire drops the previous version when its time has come, which was fixed at
// the switch.
func (s *Set) retire(plan RotationSpec, at Moment) Outcome {
	delay := s.Previous.Retires.Sub(s.Active.Activated)
	if s.Previous.Retires.IsZero() || delay > longestRetire {
		delay = plan.Retire
	}
	if left := at.left(s.Active.Activated, delay, minWatch); left > 0 {
		return Outcome{Set: s, Again: left}
	}
	next := s.Clone()
	next.Previous = nil
	return Outcome{Set: next, Step: Retired}
}

// replace brings new material into force at once and drops all other, for a key
// that has leaked. A staged version that was generated has leaked with it.
func (s *Set) replace(plan RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	next := s.Clone()
	next.Next, next.Previous = nil, nil
	next.RevokeTrigger = plan.RevokeTrigger
	if plan.Trigger != "" {
		next.Trigger = plan.Trigger
	}
	version, err := s.renewed(plan, true, random)
	switch {
	case err != nil:
		return Outcome{}, err
	case !version.same(&s.Active):
		err := next.activate(version.Key, version.Secret, at.Now, random)
		return Outcome{Set: next, Step: Replaced}, err
	case s.Next != nil || s.Previous != nil:
		return Outcome{Set: next, Step: Retired}, nil
	default:
		return Outcome{Set: next, Step: NothingToRotate}, nil
	}
}

// renewed is what the active version's halves are to become: what is supplied,
// else, if they are to be renewed, generated.
func (s *Set) renewed(plan RotationSpec, renew bool, random io.Reader) (*Version, error) {
	base := s.Active
	if renew && plan.generates() {
		key, secret, err := generate(s.Type, s.Algorithm, random)
		if err != nil {
			return nil, fmt.Errorf("renew: %w", err)
		}
		base.Key, base.Secret = key, secret
	}
	return plan.Supplied.over(&base), nil
}

// untilScheduled is how long it takes until generated halves are to be renewed
// by schedule, and whether they are at all.
func (s *Set) untilScheduled(plan RotationSpec, now time.Time) (wait time.Duration, scheduled bool) {
	if plan.Interval <= 0 || !plan.generates() {
		return 0, false
	}
	return max(0, s.Active.Activated.Add(plan.Interval).Sub(now)), true
}

// NextRotation is when the next scheduled rotation begins; zero if none will, or
// if that depends on when a staged version begins to sign.
func (s *Set) NextRotation(plan RotationSpec) time.Time {
	next := s.Active.Activated.Add(plan.Interval)
	if _, scheduled := s.untilScheduled(plan, next); !scheduled || s.Next != nil || !writable(next) {
		return time.Time{}
	}
	return next
}
