// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	rivalPeak = 300 // MiB
	// newcomers is how many bindings of another namespace are created one after the
	// other while the manager has the rivals to decide about.
	newcomers = 5
)

// isDecided reports whether a binding's status has all its APIs.
func isDecided(event watch.Event) bool {
	binding, ok := event.Object.(*signetv1alpha1.SignatureBinding)
	return ok && len(binding.Status.APIs) == len(binding.Spec.APIs)
}

// newRivals returns bindings of one key that list the same APIs and sign differently.
func (b *bench) newRivals(namespace, key string) []client.Object {
	names := make([]string, b.rivalAPIs)
	for i := range names {
		names[i] = fmt.Sprintf("api-%026d", i)
	}
	rivals := make([]client.Object, b.rivals)
	for i := range rivals {
		rival := gen.SignatureBinding(fmt.Sprintf("rival-%04d", i), key,
			gen.WithAPIs(names...), gen.WithSignatureHeader(fmt.Sprintf("X-Signature-%04d", i)))
		rival.Namespace = namespace
		rivals[i] = rival
	}
	return rivals
}

// measureRivals measures what rivals cost the manager and another namespace, when they
// are applied at once and when the manager starts on them.
func (b *bench) measureRivals(ctx context.Context) error {
	title("%d rivals for %d APIs with names of 30 characters", b.rivals, b.rivalAPIs)
	namespaces, err := b.newNamespaces(ctx, 2)
	if err != nil {
		return err
	}
	others := newKeys(namespaces[1:], 0, 2*newcomers)
	bindings := newBindings(namespaces[1:], 0, 2*newcomers, 1)
	err = b.with(ctx, roleManager, func(p *process) error {
		keys := newKeys(namespaces[:1], 0, 1)
		if _, err := b.observe(ctx, func() error { return b.createAll(ctx, append(keys, others...)) },
			keysThat(isReady, keys), keysThat(isReady, others)); err != nil {
			return err
		}
		return b.applyRivals(ctx, p, b.newRivals(namespaces[0], keys[0].GetName()), bindings[:newcomers])
	})
	if err != nil {
		return err
	}
	p, err := b.start(roleManager)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := b.startOnRivals(ctx, p, bindings[newcomers:]); err != nil {
		return err
	}
	// The holder goes last: otherwise each deletion grants 1,000 APIs to the next one.
	rivals := b.newRivals(namespaces[0], pairName(0))
	slices.Reverse(rivals)
	return errors.Join(b.deleteAll(ctx, rivals), b.clean(ctx, namespaces...))
}

// applyRivals applies them at once. The newcomers are created when the last rival is.
func (b *bench) applyRivals(ctx context.Context, p *process, rivals, bindings []client.Object) error {
	var slowest time.Duration
	change := func() (err error) {
		start := time.Now()
		if err := b.createAll(ctx, rivals); err != nil {
			return err
		}
		line("created within %.1f s", time.Since(start).Seconds())
		slowest, err = b.bindNewcomers(ctx, bindings)
		return err
	}
	spent, err := p.cpuOf(ctx, func() error {
		took, err := b.observe(ctx, change, bindingsThat(isDecided, rivals))
		line("all decided after %.1f s", took.Seconds())
		return err
	})
	if err != nil {
		return err
	}
	line("CPU of the manager: %.1f s", spent.Seconds())
	return b.reportRivals(ctx, p, "applied at once", slowest)
}

// startOnRivals measures a manager that has just been started.
func (b *bench) startOnRivals(ctx context.Context, p *process, bindings []client.Object) error {
	start := time.Now()
	err := until(ctx, "the manager to be ready", func() error {
		_, err := p.Get(ctx, "http://"+p.probes+"/readyz", nil)
		return err
	})
	if err != nil {
		return err
	}
	line("ready after %.1f s", time.Since(start).Seconds())
	slowest, err := b.bindNewcomers(ctx, bindings)
	if err != nil {
		return err
	}
	return b.reportRivals(ctx, p, "at the start", slowest)
}

// bindNewcomers creates bindings one after the other, and returns the longest time until
// one was Bound.
func (b *bench) bindNewcomers(ctx context.Context, bindings []client.Object) (slowest time.Duration, err error) {
	for _, binding := range bindings {
		var created, shown time.Duration
		start := time.Now()
		took, err := b.observe(ctx, func() error {
			start := time.Now()
			defer func() { created = time.Since(start) }()
			return b.admin.Create(ctx, binding)
		}, bindingsThat(func(event watch.Event) bool {
			if object, ok := event.Object.(client.Object); ok && shown == 0 && object.GetName() == binding.GetName() {
				shown = time.Since(start)
			}
			return isReady(event)
		}, []client.Object{binding.DeepCopyObject().(client.Object)})) //nolint:forcetypeassert // a copy
		if err != nil {
			return 0, fmt.Errorf("bind a newcomer: %w", err)
		}
		line("newcomer: created within %.2f s, shown by a watch after %.2f s, Bound after %.2f s", created.Seconds(), shown.Seconds(), took.Seconds())
		slowest = max(slowest, took)
	}
	return slowest, nil
}

func (b *bench) reportRivals(ctx context.Context, p *process, when string, slowest time.Duration) error {
	used, after, err := b.settled(ctx, p)
	if err != nil {
		return err
	}
	line("%s: resident %.0f MiB, live heap %.0f MiB", when, mebi(used.Resident), mebi(after.Heap))
	what := fmt.Sprintf("%d rivals for %s APIs, %s: ", b.rivals, thousands(b.rivalAPIs), when)
	b.within(what+"peak of the manager's resident memory", mebi(used.Peak), rivalPeak, "%.0f MiB")
	b.within(fmt.Sprintf("%sthe slowest of %d new bindings in another namespace is Bound after", what, newcomers), slowest.Seconds(), 2, "%.2f s")
	return nil
}
