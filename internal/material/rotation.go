// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"io"
	"time"
)

// Step is what Advance has done to a set.
type Step string

// The steps of a rotation are Staged, Switched and Retired. The others can happen in
// addition.
const (
	// NoStep: nothing is due.
	NoStep Step = ""
	// Staged: there is a next version, or another next version.
	Staged Step = "Staged"
	// Switched: next has become active, and active previous.
	Switched Step = "Switched"
	// Retired: the previous version is dropped.
	Retired Step = "Retired"
	// Canceled: the next version is dropped. It has never signed.
	Canceled Step = "Canceled"
	// Replaced: there is a new active version, and no other.
	Replaced Step = "Replaced"
	// NothingToRotate: a trigger is recorded, and both components are supplied.
	NothingToRotate Step = "NothingToRotate"
)

// longestRetire is the maximum of a spec. A previous version with a later time got
// it from another client or from a wrong clock.
const longestRetire = 604800 * time.Second

// RotationSpec is what spec and source ask of a key's material.
type RotationSpec struct {
	// Supplied are the components that the user supplies; nil while spec or source
	// is invalid. Then no rotation begins, because what is not supplied would be
	// generated. A rotation in progress needs neither and continues.
	Supplied *Supplied
	// Interval is how long a version signs before it is renewed; zero for no limit.
	Interval time.Duration
	// Stage is how long the next version is published before it signs, Retire how
	// long the previous one verifies afterwards.
	Stage, Retire time.Duration
	// Trigger and RevokeTrigger ask for a rotation if they differ from the values
	// last acted upon.
	Trigger, RevokeTrigger string
}

// Outcome is what Advance has decided.
type Outcome struct {
	// Set is to be written in one write; without a step it is the one before.
	Set *Set
	// Step is what has changed in it.
	Step Step
	// Again is after how long the next step may be due; zero if none is to come on a
	// timer.
	Again time.Duration
}

// generates reports whether there is a component for Signet to renew.
func (r RotationSpec) generates() bool { return r.Supplied != nil && !r.Supplied.Complete() }

// isNew reports whether a trigger has a value that has not been acted on. An empty
// trigger never has.
func isNew(wanted, done string) bool { return wanted != "" && wanted != done }

// Triggered reports whether a trigger calls for a rotation that has not begun.
func (s *Set) Triggered(spec RotationSpec) bool {
	return isNew(spec.Trigger, s.Trigger) || isNew(spec.RevokeTrigger, s.RevokeTrigger)
}

// Advance takes the next step of a rotation, if it is due. It takes one at a time
// and depends only on its arguments: after a crash at any point the set alone
// records the state of the rotation. One rotation runs at a time; another one that
// is requested meanwhile begins after it.
func (s *Set) Advance(spec RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	switch {
	case spec.Supplied != nil && isNew(spec.RevokeTrigger, s.RevokeTrigger):
		return s.replace(spec, at, random)
	case s.Previous != nil:
		return s.retire(spec, at), nil
	case s.Next != nil:
		return s.advanceNext(spec, at, random)
	case spec.Supplied != nil:
		return s.begin(spec, at, random)
	default:
		return Outcome{Set: s}, nil
	}
}

// begin stages a next version if a supplied component has changed or a generated
// one is to be renewed. One rotation does both.
func (s *Set) begin(spec RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	triggered := isNew(spec.Trigger, s.Trigger)
	wait, scheduled := s.untilScheduled(spec, at.Now)
	next := s.Clone()
	if triggered {
		next.Trigger = spec.Trigger
	}
	version, err := s.renewed(spec, triggered || (scheduled && wait == 0), random)
	switch {
	case err != nil:
		return Outcome{}, err
	case !version.same(&s.Active):
		next.Next, err = s.newVersion(version.Key, version.Secret, at.Now, random)
		return Outcome{Set: next, Step: Staged, Again: spec.Stage}, err
	case triggered:
		return Outcome{Set: next, Step: NothingToRotate}, nil
	default:
		return Outcome{Set: s, Again: wait}, nil
	}
}

// advanceNext switches to the staged version when it is due. Until then it has
// signed nothing: if a supplied component changes again, another version takes its
// place, for a stage of its own; if it changes back, the rotation is canceled.
func (s *Set) advanceNext(spec RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	next := s.Clone()
	if spec.Supplied != nil {
		wanted := spec.Supplied.over(s.Next)
		switch {
		case wanted.same(s.Next):
		case wanted.same(&s.Active):
			next.Next = nil
			return Outcome{Set: next, Step: Canceled}, nil
		default:
			var err error
			next.Next, err = s.newVersion(wanted.Key, wanted.Secret, at.Now, random)
			return Outcome{Set: next, Step: Staged, Again: spec.Stage}, err
		}
	}
	if left := at.left(s.Next.Created, spec.Stage); left > 0 {
		return Outcome{Set: s, Again: left}, nil
	}
	previous := s.Active
	next.Active, next.Next, next.Previous = *s.Next, nil, &previous
	next.Active.Activated = whole(at.Now)
	previous.Retires = next.Active.Activated.Add(spec.Retire)
	return Outcome{Set: next, Step: Switched, Again: spec.Retire}, nil
}

// retire drops the previous version at the time that was fixed at the switch.
func (s *Set) retire(spec RotationSpec, at Moment) Outcome {
	delay := s.Previous.Retires.Sub(s.Active.Activated)
	if s.Previous.Retires.IsZero() || delay > longestRetire {
		delay = spec.Retire
	}
	if left := at.left(s.Active.Activated, delay); left > 0 {
		return Outcome{Set: s, Again: left}
	}
	next := s.Clone()
	next.Previous = nil
	return Outcome{Set: next, Step: Retired}
}

// replace activates new material at once and drops all other versions, for a key
// that has leaked. A staged version that was generated has leaked with it.
func (s *Set) replace(spec RotationSpec, at Moment, random io.Reader) (Outcome, error) {
	next := s.Clone()
	next.Next, next.Previous = nil, nil
	next.RevokeTrigger = spec.RevokeTrigger
	if spec.Trigger != "" {
		next.Trigger = spec.Trigger
	}
	version, err := s.renewed(spec, true, random)
	switch {
	case err != nil:
		return Outcome{}, err
	case !version.same(&s.Active):
		if err := next.activate(version.Key, version.Secret, at.Now, random); err != nil {
			return Outcome{}, err
		}
		// The old salt has leaked with the Secret.
		next.Salt, err = newSalt(random)
		return Outcome{Set: next, Step: Replaced}, err
	case s.Next != nil || s.Previous != nil:
		return Outcome{Set: next, Step: Retired}, nil
	default:
		return Outcome{Set: next, Step: NothingToRotate}, nil
	}
}

// renewed returns what the components of the active version are to become: what is
// supplied and, if they are to be renewed, generated.
func (s *Set) renewed(spec RotationSpec, renew bool, random io.Reader) (*Version, error) {
	base := s.Active
	if renew && spec.generates() {
		key, secret, err := generate(s.Type, s.Algorithm, random)
		if err != nil {
			return nil, fmt.Errorf("renew: %w", err)
		}
		base.Key, base.Secret = key, secret
	}
	return spec.Supplied.over(&base), nil
}

// untilScheduled returns how long it takes until generated components are to be
// renewed by the schedule, and whether there is one.
func (s *Set) untilScheduled(spec RotationSpec, now time.Time) (wait time.Duration, scheduled bool) {
	if spec.Interval <= 0 || !spec.generates() {
		return 0, false
	}
	return max(0, s.Active.Activated.Add(spec.Interval).Sub(now)), true
}

// NextRotation returns when the next scheduled rotation begins; zero if none does,
// or if that depends on when a staged version begins to sign.
func (s *Set) NextRotation(spec RotationSpec) time.Time {
	next := s.Active.Activated.Add(spec.Interval)
	if _, scheduled := s.untilScheduled(spec, next); !scheduled || s.Next != nil || !writable(next) {
		return time.Time{}
	}
	return next
}
