// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"syscall"
	"time"
)

// disturbance is a fault beside those of requests.
type disturbance func(context.Context, *run, *replica) error

var disturbances = []choice[disturbance]{
	{4, endManager}, {5, killManager}, {5, stopManager}, {4, cutOff}, {1, restartAPIServer}, {1, restartEtcd},
}

// disturbPrograms stops, kills and restarts programs until the context ends.
func (r *run) disturbPrograms(ctx context.Context) error {
	for pause(ctx, r.dice.between(1500*time.Millisecond, 4*time.Second)) {
		victim := r.replicas[r.dice.below(len(r.replicas))]
		if err := choose(r.dice, disturbances)(ctx, r, victim); err != nil {
			return err
		}
	}
	return nil
}

// disturbWatches holds and cuts watches until the context ends.
func (r *run) disturbWatches(ctx context.Context) {
	for pause(ctx, r.watchDice.between(200*time.Millisecond, 1200*time.Millisecond)) {
		r.replicas[r.watchDice.below(len(r.replicas))].proxy.streams.disturb()
	}
}

func endManager(_ context.Context, _ *run, victim *replica) error {
	victim.end()
	return nil
}

func killManager(_ context.Context, r *run, victim *replica) error {
	r.journal.fault("", "manager killed", "%s", victim.name)
	victim.signal(syscall.SIGKILL)
	return nil
}

// stopManager stops a manager for longer than its lease.
func stopManager(ctx context.Context, r *run, victim *replica) error {
	wait := r.dice.between(leaseDuration, leaseDuration+4*time.Second)
	r.journal.fault("", "manager stopped", "%s for %s", victim.name, wait.Round(time.Millisecond))
	victim.signal(syscall.SIGSTOP)
	pause(ctx, wait)
	r.journal.note("", "%s continues", victim.name)
	victim.signal(syscall.SIGCONT)
	return nil
}

// cutOff resets all connections of a manager for a while.
func cutOff(ctx context.Context, r *run, victim *replica) error {
	wait := r.dice.between(200*time.Millisecond, 6*time.Second)
	r.journal.fault("", "manager cut off", "%s for %s", victim.name, wait.Round(time.Millisecond))
	victim.proxy.down.Store(true)
	victim.proxy.streams.cutAll()
	pause(ctx, wait)
	victim.proxy.down.Store(false)
	return nil
}

func restartAPIServer(ctx context.Context, r *run, _ *replica) error {
	wait := r.dice.between(100*time.Millisecond, 2*time.Second)
	r.journal.fault("", "API server restarted", "down for %s", wait.Round(time.Millisecond))
	return r.cluster.RestartAPIServer(func() { pause(ctx, wait) })
}

func restartEtcd(ctx context.Context, r *run, _ *replica) error {
	wait := r.dice.between(100*time.Millisecond, 2*time.Second)
	r.journal.fault("", "etcd restarted", "down for %s", wait.Round(time.Millisecond))
	return r.cluster.RestartEtcd(func() { pause(ctx, wait) })
}
