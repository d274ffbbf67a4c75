// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// spread is the number of namespaces that bindings are spread over.
const spread = 20

// lifecycles are the figures of all rounds of keys and bindings from their creation to
// their deletion.
type lifecycles struct{ inOne, inMany, unbound, removed compared }

// measureBindings creates and deletes keys with their bindings, by Signet and the bare
// loop in turn.
func (b *bench) measureBindings(ctx context.Context) error {
	title("%d bindings of %d APIs, each with its key: creation and deletion, %d rounds", b.count, b.apis, b.rounds)
	var all lifecycles
	for round := range b.rounds {
		for _, role := range []string{roleManager, roleBare} {
			err := b.with(ctx, role, func(*process) error { return b.lifecycle(ctx, role, round == 0, &all) })
			if err != nil {
				return fmt.Errorf("%s: %w", role, err)
			}
		}
	}
	rate := func(what string, times *compared) {
		times.print(what)
		perSecond := func(took []time.Duration) float64 { return float64(b.count) / median(took).Seconds() }
		b.reaches(fmt.Sprintf("%s bindings of %d APIs, each with its key, %s: rate, to a bare loop with the same writes, %d rounds (%.0f/s and %.0f/s)",
			thousands(b.count), b.apis, what, b.rounds, perSecond(times.signet), perSecond(times.bare)), 1/times.ratio(), 0.8, "%.2f")
	}
	rate("in one namespace", &all.inOne)
	rate(fmt.Sprintf("in %d namespaces", spread), &all.inMany)
	deletion := func(what string, times *compared) {
		times.print(what)
		b.within(fmt.Sprintf("%s: time, to a bare loop that removes the same finalizers, %d rounds (%.1f s and %.1f s)",
			what, b.rounds, median(times.signet).Seconds(), median(times.bare).Seconds()), times.ratio(), 1.5, "%.2f")
	}
	deletion(fmt.Sprintf("deletion of %s bindings", thousands(b.count)), &all.unbound)
	deletion(fmt.Sprintf("deletion of a namespace with %s bound keys", thousands(b.count)), &all.removed)
	return nil
}

// lifecycle measures one round of one side.
func (b *bench) lifecycle(ctx context.Context, role string, count bool, all *lifecycles) error {
	one, err := b.newNamespaces(ctx, 1)
	if err != nil {
		return err
	}
	before, err := b.requests(ctx)
	if err != nil {
		return err
	}
	took, err := b.applyPairs(ctx, one, 0, b.count)
	if err != nil {
		return fmt.Errorf("bind in one namespace: %w", err)
	}
	all.inOne.add(role, took)
	if count {
		own := requests{"POST signaturekeys": float64(b.count), "POST signaturebindings": float64(b.count)}
		if _, err := b.printRequests(ctx, role, before, own, b.count); err != nil {
			return err
		}
	} else if err := b.quiet(ctx); err != nil {
		return err
	}
	if took, err = b.deleteNamespaces(ctx, one...); err != nil {
		return fmt.Errorf("delete namespace: %w", err)
	}
	all.removed.add(role, took)
	return b.spreadLifecycle(ctx, role, all)
}

// spreadLifecycle is the half of a round that is spread over namespaces.
func (b *bench) spreadLifecycle(ctx context.Context, role string, all *lifecycles) error {
	many, err := b.newNamespaces(ctx, spread)
	if err != nil {
		return err
	}
	took, err := b.applyPairs(ctx, many, 0, b.count)
	if err != nil {
		return fmt.Errorf("bind in many namespaces: %w", err)
	}
	all.inMany.add(role, took)
	if err := b.quiet(ctx); err != nil {
		return err
	}
	bindings := newBindings(many, 0, b.count, b.apis)
	took, err = b.observe(ctx, func() error { return b.deleteAll(ctx, bindings) }, keysThat(isReleased, newKeys(many, 0, b.count)))
	if err != nil {
		return fmt.Errorf("delete bindings: %w", err)
	}
	all.unbound.add(role, took)
	return b.clean(ctx, many...)
}
