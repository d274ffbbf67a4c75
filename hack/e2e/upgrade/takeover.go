// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/slotwatch"
)

// TakeOver starts another manager on what is stored and watches it until
// everything that was under way has come to its end. It fails if anything that
// Compare looks at has changed, if a slot had two holders meanwhile, or if the
// manager, started once more, writes anything. The manager that is started runs
// on.
func (c *Cluster) TakeOver(ctx context.Context, before *State, start func() (*Manager, error)) (*Manager, error) {
	watcher, err := slotwatch.Watch(ctx, c.Config, Recorded)
	if err != nil {
		return nil, err
	}
	defer watcher.Stop()
	m, err := start()
	if err != nil {
		return m, err
	}
	after, err := c.waitSettled(ctx, m)
	if err != nil {
		return m, err
	}
	if found := Compare(before, after); len(found) > 0 {
		return m, fmt.Errorf("what was stored has changed: %q", found)
	}
	if m, err = c.idleAgain(ctx, m); err != nil {
		return m, err
	}
	if doubles := watcher.Doubles(); len(doubles) > 0 || watcher.Seen() < len(before.Bindings) {
		return m, fmt.Errorf("slots with two holders, in %d states that were seen: %v", watcher.Seen(), doubles)
	}
	return m, nil
}

// waitSettled returns the state when nothing is in progress.
func (c *Cluster) waitSettled(ctx context.Context, m *Manager) (*State, error) {
	var state *State
	err := Until(ctx, "rotations and moves to end", func() error {
		var err error
		if state, err = c.Look(ctx); err != nil {
			return err
		}
		return state.settled()
	})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, m.Tail())
	}
	if err := m.WaitIdle(ctx, state); err != nil {
		return nil, err
	}
	return c.Look(ctx)
}

// settled returns an error that lists what is under way.
func (s *State) settled() error {
	var found []error
	for name, secret := range s.Secrets {
		if rotating(secret.Data) {
			found = append(found, fmt.Errorf("more than one version is in Secret %s", name))
		}
	}
	for name, object := range s.Keys {
		if meta.IsStatusConditionTrue(object.Status.Conditions, signetv1alpha1.ConditionRotating) {
			found = append(found, fmt.Errorf("SignatureKey %s is rotating", name))
		}
		released := meta.IsStatusConditionFalse(object.Status.Conditions, signetv1alpha1.ConditionInUse)
		if !s.uses(name) && (!released || len(object.Finalizers) > 0) {
			found = append(found, fmt.Errorf("SignatureKey %s is protected, but nothing uses it", name))
		}
	}
	for name, object := range s.Bindings {
		if object.Status.PreviousKeys != nil {
			found = append(found, fmt.Errorf("SignatureBinding %s has a previous key", name))
		}
	}
	return errors.Join(found...)
}

// uses reports whether a binding uses the key.
func (s *State) uses(name string) bool {
	for _, object := range s.Bindings {
		if object.Spec.KeyRef.Name == name || object.Status.KeyName == name {
			return true
		}
	}
	return false
}

// idleAgain restarts the manager and fails if it writes anything.
func (c *Cluster) idleAgain(ctx context.Context, m *Manager) (*Manager, error) {
	if err := m.Stop(); err != nil {
		return m, err
	}
	before, err := c.Look(ctx)
	if err != nil {
		return m, err
	}
	if m, err = c.StartManager(ctx, m.binary); err != nil {
		return m, err
	}
	if err := m.WaitIdle(ctx, before); err != nil {
		return m, err
	}
	after, err := c.Look(ctx)
	if err != nil {
		return m, err
	}
	was, is := before.Written(), after.Written()
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if is[name] != was[name] {
			err = errors.Join(err, fmt.Errorf("%s was written again, though nothing has changed", name))
		}
	}
	return m, err
}
