// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	// scaleNamespaces is the number of namespaces of all sizes.
	scaleNamespaces = 10
	kibiEachPair    = 20
	startWithin     = 15 // seconds
	labeledMebi     = 50
)

// scaling is the state of measureScale.
type scaling struct {
	*bench

	namespaces []string
	// empty is a manager without keys and bindings.
	empty usage
	// labeledSecrets is the number of large Secrets so far.
	labeledSecrets int
}

// measureScale measures one installation that grows: the cost of what is added, and a
// new manager at each size. It leaves its objects, since large Secrets come last.
func (b *bench) measureScale(ctx context.Context) (err error) {
	title("time, CPU and memory at %v keys and bindings of %d APIs in %d namespaces", b.scale, b.apis, scaleNamespaces)
	s := &scaling{bench: b}
	if s.namespaces, err = b.newNamespaces(ctx, scaleNamespaces); err != nil {
		return err
	}
	size := 0
	for _, next := range b.scale {
		err := s.restarted(ctx, size, func(p *process) error { return s.grow(ctx, p, size, next) })
		if err != nil {
			return err
		}
		size = next
	}
	var with, without usage
	measure := func(used *usage) error {
		return s.restarted(ctx, size, func(p *process) (err error) {
			*used, err = p.usage(ctx)
			return err
		})
	}
	if err := measure(&without); err != nil {
		return err
	}
	title("the same with %d Secrets of %d bytes labeled as material", b.labeled, b.labeledBytes)
	start := time.Now()
	if _, err := b.fillSecrets(ctx, b.labeled, b.labeledBytes, signetv1alpha1.LabelMaterial); err != nil {
		return err
	}
	line("created within %.0f s", time.Since(start).Seconds())
	s.labeledSecrets = b.labeled
	if err := measure(&with); err != nil {
		return err
	}
	b.within(fmt.Sprintf("peak of the manager's resident memory that %s labeled Secrets of %.1f MB add at a start with %s pairs",
		thousands(b.labeled), float64(b.labeledBytes)/1e6, thousands(size)), mebi(with.Peak-without.Peak), labeledMebi, "%.0f MiB")
	return nil
}

// grow adds keys and bindings at once.
func (s *scaling) grow(ctx context.Context, p *process, size, next int) error {
	before, err := p.collected(ctx)
	if err != nil {
		return err
	}
	serverBefore, storedBefore, err := s.serverUsage(ctx)
	if err != nil {
		return err
	}
	var took time.Duration
	spent, err := p.cpuOf(ctx, func() (err error) {
		took, err = s.applyPairs(ctx, s.namespaces, size, next)
		return err
	})
	if err != nil {
		return err
	}
	used, after, err := s.settled(ctx, p)
	if err != nil {
		return err
	}
	serverAfter, storedAfter, err := s.serverUsage(ctx)
	if err != nil {
		return err
	}
	added := next - size
	what := fmt.Sprintf("pairs %s to %s, applied at once: ", thousands(size), thousands(next))
	s.row(what+"time and CPU of the manager", fmt.Sprintf("%.1f s and %.1f s; %.1f ms and %.1f ms a pair", took.Seconds(), spent.Seconds(),
		milliseconds(took)/float64(added), milliseconds(spent)/float64(added)))
	s.row(what+"CPU of the API server, and growth of etcd, for each pair", fmt.Sprintf("%.1f ms; %.0f KiB before compaction",
		milliseconds(serverAfter.CPU-serverBefore.CPU)/float64(added), kibiEach(storedAfter-storedBefore, added)))
	line("%sthe API server uses %.0f MiB", what, mebi(serverAfter.Resident))
	line("%sresident %.0f MiB, peak %.0f MiB", what, mebi(used.Resident), mebi(used.Peak))
	s.within(what+"live heap for each pair just made", kibiEach(after.Heap-before.Heap, added), kibiEachPair, "%.1f KiB")
	s.row(what+"resident memory for each pair just made, after collection", fmt.Sprintf("%.1f KiB", kibiEach(after.Resident-before.Resident, added)))
	return nil
}

// restarted starts a manager on all keys and bindings, measures the start, and calls.
func (s *scaling) restarted(ctx context.Context, size int, call func(*process) error) (err error) {
	p, took, err := s.startOn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	used, after, err := s.settled(ctx, p)
	if err != nil {
		return err
	}
	if size == 0 {
		s.empty = after
		line("without objects: live heap %.1f MiB, resident %.0f MiB, peak %.0f MiB", mebi(after.Heap), mebi(after.Resident), mebi(used.Peak))
		return call(p)
	}
	what := fmt.Sprintf("start with %s pairs: ", thousands(size))
	if s.labeledSecrets > 0 {
		what = fmt.Sprintf("start with %s pairs and %s labeled Secrets: ", thousands(size), thousands(s.labeledSecrets))
	}
	line("%sCPU %.1f s until quiet, resident %.0f MiB, after collection %.0f MiB", what, used.CPU.Seconds(), mebi(used.Resident), mebi(after.Resident))
	s.within(what+"the first new binding is Bound after", took.Seconds(), startWithin, "%.1f s")
	s.within(what+"peak of resident memory, GOMEMLIMIT as deployed", mebi(used.Peak), mebi(memoryLimit), "%.0f MiB")
	s.within(what+"live heap for each pair", kibiEach(after.Heap-s.empty.Heap, size), kibiEachPair, "%.1f KiB")
	s.row(what+"resident memory for each pair, after collection", fmt.Sprintf("%.1f KiB", kibiEach(after.Resident-s.empty.Resident, size)))
	return call(p)
}

// startOn starts a manager and returns the time until it has bound a key that was
// created while none was running.
func (s *scaling) startOn(ctx context.Context) (p *process, took time.Duration, err error) {
	namespace, err := s.newNamespace(ctx)
	if err != nil {
		return nil, 0, err
	}
	probe := newPairs([]string{namespace}, 0, 1, s.apis)
	if err := s.createAll(ctx, probe[:1]); err != nil {
		return nil, 0, err
	}
	if err := s.createAll(ctx, probe[1:]); err != nil {
		return nil, 0, err
	}
	took, err = s.observe(ctx, func() (err error) {
		p, err = s.start(roleManager)
		return err
	}, bindingsThat(isReady, probe[1:]))
	if err != nil && p != nil {
		err = errors.Join(err, p.Stop())
	}
	return p, took, err
}
