// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// measureKeys applies new keys to Signet and to the bare loop in turn.
func (b *bench) measureKeys(ctx context.Context) error {
	title("%d HMAC keys applied at once until all are Ready, %d rounds", b.count, b.rounds)
	var took, cpu compared
	for round := range b.rounds {
		for _, role := range []string{roleManager, roleBare} {
			err := b.with(ctx, role, func(p *process) error {
				return b.keyRound(ctx, role, p, round == 0, &took, &cpu)
			})
			if err != nil {
				return err
			}
		}
	}
	took.print("time")
	cpu.print("CPU of the process")
	line("medians: %.2f s and %.2f s, CPU %.2f s and %.2f s", median(took.signet).Seconds(), median(took.bare).Seconds(),
		median(cpu.signet).Seconds(), median(cpu.bare).Seconds())
	what := fmt.Sprintf("%s keys applied at once, to a bare loop with the same requests, %d rounds: ", thousands(b.count), b.rounds)
	b.within(what+"time", took.ratio(), 1.15, "%.2f")
	b.within(what+"CPU", cpu.ratio(), 1.5, "%.2f")
	return nil
}

func (b *bench) keyRound(ctx context.Context, role string, p *process, count bool, took, cpu *compared) error {
	namespace, err := b.newNamespace(ctx)
	if err != nil {
		return err
	}
	before, err := b.requests(ctx)
	if err != nil {
		return err
	}
	var duration time.Duration
	spent, err := p.cpuOf(ctx, func() (err error) {
		duration, err = b.applyKeys(ctx, newKeys([]string{namespace}, 0, b.count))
		return err
	})
	if err != nil {
		return err
	}
	took.add(role, duration)
	cpu.add(role, spent)
	if count {
		if _, err := b.printRequests(ctx, role, before, requests{"POST signaturekeys": float64(b.count)}, b.count); err != nil {
			return err
		}
	}
	return b.clean(ctx, namespace)
}

// thousands formats a number with a comma.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
