// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/hack/e2e/chaos/judge"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// run is one run with one seed, on a control plane of its own.
type run struct {
	options   Options
	dice      *dice
	watchDice *dice
	journal   *journal
	cluster   *env.Cluster
	service   *service
	history   *history
	replicas  []*replica
	tenants   []*tenant
	report    *Report
}

// Run runs with one seed and returns what was found. The error is about the suite
// itself.
func Run(ctx context.Context, options Options) (*Report, error) {
	r := &run{
		options: options, dice: newDice(options.Seed, 1), watchDice: newDice(options.Seed, 2),
		journal: newJournal(), report: &Report{Seed: options.Seed},
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := r.start(ctx); err != nil {
		if r.cluster != nil {
			r.cluster.Stop()
		}
		return nil, err
	}
	defer r.cluster.Stop()
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() { r.history.follow(ctx) })
	background.Go(func() { r.service.serve(ctx) })
	defer func() { _ = r.service.listener.Close() }()
	for _, replica := range r.replicas {
		defer replica.proxy.close()
		background.Go(func() { _ = replica.keepRunning(ctx) })
	}
	if err := r.cluster.WaitAdmission(ctx); err != nil {
		return nil, err
	}
	err := r.rounds(ctx)
	r.complete()
	return r.report, err
}

// start starts the control plane with all of Signet but the managers.
func (r *run) start(ctx context.Context) error {
	address, err := proc.FindAddress()
	if err != nil {
		return err
	}
	r.cluster, err = env.Start(ctx, env.Options{KeepHistory: true, Install: []string{"default"}, Webhooks: address, Out: r.options.Out})
	if err != nil {
		return err
	}
	// The garbage collector learns of kinds that come later only every 30 seconds.
	if err := r.cluster.StartControllerManager(ctx); err != nil {
		return err
	}
	if err := r.allowRestores(ctx); err != nil {
		return err
	}
	if r.service, err = newService(ctx, address); err != nil {
		return err
	}
	if r.history, err = newHistory(r.cluster.EtcdAddress(), judge.New(judge.Options{HealLimit: r.options.Heal}), r.journal); err != nil {
		return err
	}
	if err := r.startTenants(); err != nil {
		return err
	}
	return r.prepareReplicas(ctx)
}

// allowRestores names the workload's user in the policies' parameters: the workload
// does what tools for backups may do.
func (r *run) allowRestores(ctx context.Context) error {
	parameters := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: env.SystemNamespace, Name: "signet-policy-parameters"}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"data":{"users":"admin"}}`))
	if err := r.cluster.Admin.Patch(ctx, parameters, patch); err != nil {
		return fmt.Errorf("name the workload in the policies' parameters: %w", err)
	}
	return nil
}

func (r *run) startTenants() error {
	config := rest.CopyConfig(r.cluster.Config)
	config.Timeout = 8 * time.Second
	user, err := client.New(config, client.Options{Scheme: r.cluster.Scheme})
	if err != nil {
		return fmt.Errorf("create the workload's client: %w", err)
	}
	step := &atomic.Int64{}
	for i := range r.options.Namespaces {
		t := &tenant{
			client: user, dice: newDice(r.options.Seed, 100+uint64(i)), journal: r.journal,
			namespace: fmt.Sprintf("%s%d", tenantPrefix, i), step: step, hints: make(chan string, 1),
			operations: operations, apiNames: apiCount,
		}
		if i%rivalryEvery == 0 {
			t.operations, t.apiNames = rivalries, rivalCount
		}
		r.tenants = append(r.tenants, t)
	}
	return nil
}

func (r *run) prepareReplicas(ctx context.Context) error {
	checkout := r.options.Checkout
	if checkout == "" {
		checkout = r.cluster.Root
	}
	binary := filepath.Join(r.cluster.Dir, "signet")
	if err := env.Build(ctx, checkout, ".", binary); err != nil {
		return err
	}
	for i := range 2 {
		p, err := newProxy(fmt.Sprintf("manager-%d", i), r.cluster.Config, newDice(r.options.Seed, 10+uint64(i)), r.journal)
		if err != nil {
			return err
		}
		p.lateGrant = r.hint
		replica, err := newReplica(ctx, r.cluster, binary, p, r.journal)
		if err != nil {
			return err
		}
		r.replicas = append(r.replicas, replica)
		r.service.backends = append(r.service.backends, replica.webhooks())
	}
	return nil
}

// hint tells a tenant of a binding that a grant is on its way to. It is lost if the
// tenant is busy.
func (r *run) hint(namespace, binding string) {
	for _, t := range r.tenants {
		if t.namespace != namespace {
			continue
		}
		select {
		case t.hints <- binding:
		default:
		}
	}
}

// rounds injects the faults, round by round, and cleans up.
func (r *run) rounds(ctx context.Context) error {
	for round := range r.options.Rounds {
		if err := r.storm(ctx, (round+1)*r.options.Faults/r.options.Rounds); err != nil {
			return err
		}
		took, err := r.settle(ctx, r.options.Settle, (*judge.Judge).Unsettled, r.help)
		settled := err == nil
		if r.note("round", took, err) != nil {
			return err
		}
		fmt.Fprintf(r.options.Out, "seed %d: round %d: %d faults, %s after %s\n",
			r.options.Seed, round+1, r.journal.injected(), settledOrNot(settled), took.Round(time.Millisecond))
		if r.options.StopEarly && (!settled || r.isOver()) {
			return nil
		}
		if settled {
			continue
		}
		if err := r.makeWayByForce(ctx); err != nil {
			return err
		}
	}
	return r.cleanUp(ctx)
}

func settledOrNot(settled bool) string {
	if settled {
		return "settled"
	}
	return "not settled"
}

// note adds a result of settle to the report. It returns errors of the suite itself.
func (r *run) note(what string, took time.Duration, err error) error {
	var unsettled *unsettledError
	if errors.As(err, &unsettled) {
		r.report.Failures = append(r.report.Failures, what+": "+unsettled.Error())
		r.report.noteFirst(r.journal.injected())
		return nil
	}
	if err == nil && what == "round" {
		r.report.Settled = append(r.report.Settled, took)
	}
	return err
}

// storm lets users work and injects faults until there are so many in all.
func (r *run) storm(ctx context.Context, faults int) error {
	for _, replica := range r.replicas {
		replica.proxy.setActive(true)
	}
	stormy, end := context.WithCancel(ctx)
	defer end()
	var workers sync.WaitGroup
	failed := make(chan error, 1)
	for _, t := range r.tenants {
		workers.Go(func() { t.work(stormy) })
	}
	workers.Go(func() { r.disturbWatches(stormy) })
	workers.Go(func() { failed <- r.disturbPrograms(stormy) })
	for r.journal.injected() < faults && pause(stormy, 50*time.Millisecond) && !r.isOver() {
	}
	end()
	workers.Wait()
	for _, replica := range r.replicas {
		replica.proxy.setActive(false)
		replica.signal(syscall.SIGCONT)
	}
	for _, replica := range r.replicas {
		replica.proxy.waitForLate()
	}
	r.journal.note("", "calm")
	return errors.Join(<-failed, ctx.Err(), r.history.ask(func(*judge.Judge) {}))
}

// isOver reports whether there is no point in going on: revisions are missing, or a
// rule is broken and the first finding is enough.
func (r *run) isOver() bool {
	found := 0
	err := r.history.ask(func(j *judge.Judge) { found = len(j.Violations()) })
	if found > 0 {
		r.report.noteFirst(r.journal.injected())
	}
	return err != nil || (found > 0 && r.options.StopEarly)
}

// cleanUp deletes everything, first objects, then namespaces, and waits until
// nothing is left.
func (r *run) cleanUp(ctx context.Context) error {
	if err := r.deleteAll(ctx); err != nil {
		return err
	}
	nothing := func(context.Context) error { return nil }
	took, err := r.settle(ctx, r.options.Cleanup, (*judge.Judge).Objects, nothing)
	if r.note("deletion of all objects", took, err) != nil {
		return err
	}
	r.report.Deleted = took
	if err := r.deleteNamespaces(ctx); err != nil {
		return err
	}
	took, err = r.settle(ctx, r.options.Cleanup, (*judge.Judge).Remains, nothing)
	r.report.Cleaned = took
	return r.note("deletion of all namespaces", took, err)
}

// complete fills in the rest of the report.
func (r *run) complete() {
	_ = r.history.ask(func(j *judge.Judge) {
		r.report.Violations, r.report.Revisions, r.report.States, r.report.Healed = j.Violations(), j.Revisions, j.States, j.Healed
	})
	r.report.Faults, r.report.journal = r.journal.byKind(), r.journal
	for _, replica := range r.replicas {
		r.report.Starts += replica.starts
		if err := replica.crashed(); err != nil {
			r.report.Failures = append(r.report.Failures, err.Error())
		}
	}
}
