// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// The model: a Secret, a controller that may crash, its clocks, and a user. It
// runs through every sequence of acts up to a depth, one act in each round, and
// checks invariants 2, 8 and 9 after each write, for signers and backends that
// are as far behind as the delays allow.
const (
	modelDepth  = 4
	modelRound  = 30 * time.Second
	modelStage  = 60 * time.Second
	modelRetire = 60 * time.Second
	// modelEnd is how many rounds without an act are enough for all that was
	// triggered: two rotations, with a stage that starts again.
	modelEnd = 20
)

// act is what happens in a round, before the controller looks.
type act struct {
	name string
	do   func(*model)
}

var acts = []act{
	{"nothing", func(*model) {}},
	{"trigger", func(m *model) { m.triggers++; m.plan.Trigger = fmt.Sprint(m.triggers) }},
	{"edit source", func(m *model) { m.edits++; m.source.Key = material.Bytes(fmt.Sprintf("planted_key_%d", m.edits%2)) }},
	{"break or fix source", func(m *model) { m.broken = !m.broken }},
	{"crash", func(m *model) { m.crash() }},
	{"crash before the write", func(m *model) { m.dies = true }},
	{"step ahead", func(m *model) { m.offset += time.Hour }},
	{"step back", func(m *model) { m.offset -= time.Hour }},
	{"step ahead a little", func(m *model) { m.offset += 45 * time.Second }},
	{"step back a little", func(m *model) { m.offset -= 45 * time.Second }},
	{"revoke trigger", func(m *model) { m.leaks++; m.plan.RevokeTrigger = fmt.Sprint(m.leaks) }},
	{"sleep", func(m *model) { m.asleep = 3 }},
}

// model is one state of the model. It is copied by value: nothing in it is
// changed in place but the history, which only grows.
type model struct {
	// time is the true time; offset is what the wall clock is wrong by.
	time, offset time.Duration
	// history are all sets that the Secret has held, with the true time.
	history []held
	plan    material.RotationSpec
	source  material.Supplied
	// broken is true if the source is invalid, dies if the controller ends before
	// its next write; asleep is the number of rounds that it skips.
	broken, dies bool
	asleep       int
	// standing, seen and watched are the controller's memory.
	standing        string
	seen            time.Duration
	watchedSince    time.Duration
	triggers, edits int
	leaks           int
	random          counter
}

// held is what the Secret held since a time.
type held struct {
	since time.Duration
	set   *material.Set
	step  material.Step
	// state is that of the set, which does not change: most rounds need it, and
	// few write.
	state string
}

func newHeld(since time.Duration, set *material.Set, step material.Step) held {
	return held{since: since, set: set, step: step, state: set.RotationState()}
}

// counter is a source of randomness that never repeats itself, and is fast.
type counter uint64

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		*c++
		p[i] = byte(uint64(*c) * 0x9E3779B97F4A7C15 >> 56)
	}
	if len(p) == 16 {
		binary.BigEndian.PutUint64(p, uint64(*c))
	}
	return len(p), nil
}

func (m *model) now() time.Time { return began.Add(m.time + m.offset) }

func (m *model) crash() { m.standing = "" }

func (m *model) last() held { return m.history[len(m.history)-1] }

// look is one reconcile of the controller. It reads the Secret as it is.
func (m *model) look() error {
	if m.asleep > 0 {
		m.asleep--
		return nil
	}
	set, standing := m.last().set, m.last().state
	if m.standing == "" { // starts again, from the Secret alone
		var err error
		if set, err = material.Decode(set.Encode()); err != nil {
			return fmt.Errorf("the Secret cannot be read: %w", err)
		}
		standing = set.RotationState()
	}
	if standing != m.standing {
		m.standing, m.seen, m.watchedSince = standing, m.time+m.offset, m.time
	}
	plan, source := m.plan, m.source
	plan.Supplied = &source
	if m.broken {
		plan.Supplied = nil
	}
	moment := material.Moment{Now: m.now(), FirstSeen: began.Add(m.seen), Watched: m.time - m.watchedSince}
	outcome, err := set.Advance(plan, moment, &m.random)
	if err != nil || outcome.Step == material.NoStep {
		return err
	}
	if m.dies {
		m.dies = false
		m.crash()
		return nil
	}
	m.history = append(slices.Clip(m.history), newHeld(m.time, outcome.Set, outcome.Step))
	if outcome.Step == material.Replaced {
		return m.replaced()
	}
	return m.check()
}

// replaced fails if an earlier version is still accepted. From
// there on the invariants hold as in the beginning.
func (m *model) replaced() error {
	newest := m.last()
	for _, old := range m.history[:len(m.history)-1] {
		for _, v := range []*material.Version{&old.set.Active, old.set.Next, old.set.Previous} {
			if v != nil && accepts(newest.set, *v) {
				return fmt.Errorf("version %s has leaked and is accepted", v.ID)
			}
		}
	}
	if len(newest.set.Versions()) != 1 || newest.set.RevokeTrigger != m.plan.RevokeTrigger {
		return errors.New("the leak is not dealt with")
	}
	m.history = []held{newest}
	return nil
}

// check compares the newest write with what signers and backends may still have
// from before it.
func (m *model) check() error {
	newest := m.last()
	for i, old := range m.history[:len(m.history)-1] {
		until := m.history[i+1].since
		if until+modelRetire > newest.since && !accepts(newest.set, old.set.Active) {
			return fmt.Errorf("invariant 9: a signer that is %s behind signs with version %s, which is refused", newest.since-until, old.set.Active.ID)
		}
		if until+modelStage > newest.since && !accepts(old.set, newest.set.Active) {
			return fmt.Errorf("invariant 9: a backend that is %s behind refuses version %s", newest.since-until, newest.set.Active.ID)
		}
	}
	if newest.set.Next != nil && newest.set.Next.ID == newest.set.Active.ID {
		return errors.New("invariant 8: next signs")
	}
	return m.unchanged()
}

// accepts reports whether a backend with the set accepts what the version signs. It
// compares bytes.
func accepts(set *material.Set, v material.Version) bool {
	same := func(other *material.Version) bool {
		return other != nil && other.Key.Equal(v.Key) && other.Secret.Equal(v.Secret)
	}
	return same(&set.Active) || same(set.Next) || same(set.Previous)
}

// changedBytes returns the ID of a version whose bytes differ; empty for none.
func changedBytes(before, after *material.Set) string {
	for _, old := range []*material.Version{&before.Active, before.Next, before.Previous} {
		for _, v := range []*material.Version{&after.Active, after.Next, after.Previous} {
			if old != nil && v != nil && old.ID == v.ID && (!old.Key.Equal(v.Key) || !old.Secret.Equal(v.Secret)) {
				return v.ID
			}
		}
	}
	return ""
}

// unchanged fails if the bytes of a version have changed, or if the active version
// has changed other than by the steps of a rotation (invariant 2).
func (m *model) unchanged() error {
	before, newest := m.history[len(m.history)-2], m.last()
	if id := changedBytes(before.set, newest.set); id != "" {
		return fmt.Errorf("invariant 2: version %s has other bytes", id)
	}
	noted := newest.set.Trigger != before.set.Trigger
	if noted && (newest.step != material.Staged || newest.set.Next.Secret.Equal(newest.set.Active.Secret)) {
		return fmt.Errorf("%q counts as acted upon, and nothing is renewed", newest.set.Trigger)
	}
	switched := before.set.Next != nil && newest.set.Active.ID == before.set.Next.ID
	switch {
	case newest.step == material.Switched && (!switched || newest.set.Previous == nil || newest.set.Previous.ID != before.set.Active.ID):
		return errors.New("invariant 2: a switch to something that was not staged")
	case newest.set.RevokeTrigger != before.set.RevokeTrigger:
		return fmt.Errorf("%s has dealt with a leak", newest.step)
	case newest.step != material.Switched && newest.set.Active.ID != before.set.Active.ID:
		return fmt.Errorf("invariant 2: %s has changed the active version", newest.step)
	}
	return nil
}

// settle lets time pass without an act and returns an error about what has not ended.
func (m *model) settle() error {
	m.broken = false
	for range modelEnd {
		if err := m.look(); err != nil {
			return err
		}
		m.time += modelRound
	}
	set := m.last().set
	switch {
	case set.Next != nil || set.Previous != nil:
		return errors.New("the rotation does not come to an end")
	case set.Trigger != m.plan.Trigger || set.RevokeTrigger != m.plan.RevokeTrigger:
		return fmt.Errorf("trigger %q or %q has been forgotten", m.plan.Trigger, m.plan.RevokeTrigger)
	case !set.Active.Key.Equal(m.source.Key):
		return errors.New("the supplied component is not active")
	}
	writes := len(m.history)
	m.crash()
	for range 2 {
		if err := m.look(); err != nil {
			return err
		}
		m.time += modelRound
	}
	if len(m.history) != writes {
		return fmt.Errorf("%s without a trigger", m.last().step)
	}
	return nil
}

// explore runs all sequences of acts that begin with the path, and returns how
// many.
func (m *model) explore(t *testing.T, path []string) int {
	if len(path) == modelDepth {
		if err := m.settle(); err != nil {
			t.Fatalf("%v after %q: %v", m.time, path, err)
		}
		return 1
	}
	runs := 0
	for _, act := range acts {
		runs += m.after(t, act, path).explore(t, append(slices.Clip(path), act.name))
	}
	return runs
}

// after is the model after one more act and one round.
func (m *model) after(t *testing.T, act act, path []string) *model {
	next := *m
	act.do(&next)
	if err := next.look(); err != nil {
		t.Fatalf("%v after %q and %s: %v", next.time, path, act.name, err)
	}
	next.time += modelRound
	return &next
}

func TestEveryInterleaving(t *testing.T) {
	source := material.Supplied{Key: material.Bytes("planted_key_0")}
	key := &signetv1alpha1.SignatureKey{Spec: signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC}}
	m := model{source: source, plan: material.RotationSpec{Stage: modelStage, Retire: modelRetire}}
	set, err := material.First(key, source, began, &m.random)
	if err != nil {
		t.Fatal(err)
	}
	m.history = []held{newHeld(0, set, material.Replaced)}
	// The acts begin where a rotation stands: at rest, staged, and switched.
	for name, rounds := range map[string]int{"settled": 0, "staged": 1, "switched": 3} {
		t.Run(name, func(t *testing.T) {
			m := m
			if rounds > 0 {
				m.triggers, m.plan.Trigger = 1, "1"
			}
			for range rounds {
				if err := m.look(); err != nil {
					t.Fatal(err)
				}
				m.time += modelRound
			}
			if got := len(m.last().set.Versions()) > 1; got != (rounds > 0) {
				t.Fatal("the model does not begin where it should")
			}
			for _, act := range acts {
				t.Run(act.name, func(t *testing.T) {
					t.Parallel()
					t.Logf("%d sequences", m.after(t, act, nil).explore(t, []string{act.name}))
				})
			}
		})
	}
}
