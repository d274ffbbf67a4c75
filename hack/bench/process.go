// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	// patience is the timeout of everything that is not measured itself.
	patience = 15 * time.Minute
	// memoryLimit is that of config/manager, which the runtime is given as GOMEMLIMIT.
	memoryLimit = 512 << 20
)

// process is the bench in one of its roles.
type process struct {
	*proc.Process
	usageAddress string
	probes       string
	// profile is the path of its profiles without their ending; empty for none.
	profile string
}

func (b *bench) start(role string, args ...string) (*process, error) {
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = proc.FindAddress(); err != nil {
			return nil, err
		}
	}
	name := role + "-" + time.Now().Format("150405.000")
	args = append([]string{
		role, "--usage-bind-address=" + addresses[0], "--kubeconfig=" + b.kubeconfigs[role], "--metrics-bind-address=0",
		"--health-probe-bind-address=" + addresses[1], "--webhook-bind-address=" + addresses[2], "--webhook-names=127.0.0.1",
	}, args...)
	if role == roleManager {
		args = append(args, "--shutdown-delay=0s")
	}
	p := &process{usageAddress: addresses[0], probes: addresses[1]}
	if b.profiles != "" {
		p.profile = filepath.Join(b.profiles, name)
		args = append(args, "--cpu-profile="+p.profile+".cpu")
	}
	// Ctrl-C reaches the bench only, which stops the others in order.
	var err error
	p.Process, err = proc.Start(proc.Command{
		Name: role, Program: os.Args[0], OwnGroup: true, Args: args,
		Log: filepath.Join(b.cluster.Dir, name+".log"),
		Env: []string{fmt.Sprintf("GOMEMLIMIT=%d", memoryLimit)},
	})
	return p, err
}

// startStandby starts the replica that serves admission.
func (b *bench) startStandby(ctx context.Context) (*process, error) {
	p, err := b.start(roleManager, "--leader-elect", "--webhook-bind-address="+b.webhooks)
	if err != nil {
		return nil, err
	}
	if err := until(ctx, "admission to answer", func() error { return b.admissionAnswers(ctx) }); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// with runs a leader or a bare loop during the call, which starts when the process has
// made a key ready and released it again.
func (b *bench) with(ctx context.Context, role string, call func(*process) error) (err error) {
	p, err := b.start(role)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := b.warmUp(ctx); err != nil {
		return err
	}
	return call(p)
}

// warmUp returns when a key and a binding have passed through the running process.
func (b *bench) warmUp(ctx context.Context) error {
	namespace, err := b.newNamespace(ctx)
	if err != nil {
		return err
	}
	if _, err := b.applyPairs(ctx, []string{namespace}, 0, 1); err != nil {
		return err
	}
	return b.clean(ctx, namespace)
}

// usage is what a process has used so far.
type usage struct {
	// CPU is the time in user and kernel mode.
	CPU time.Duration
	// Resident and Peak are VmRSS and VmHWM in bytes.
	Resident, Peak int64
	// Heap is the live heap in bytes; only after a collection.
	Heap int64
}

// usage reads what the process has used, without disturbing it.
func (p *process) usage(ctx context.Context) (usage, error) { return p.readUsage(ctx, "/usage") }

// settled returns what the process uses once nothing is written any more, before and after
// garbage collection.
func (b *bench) settled(ctx context.Context, p *process) (used, after usage, err error) {
	if err = b.quiet(ctx); err != nil {
		return used, after, err
	}
	if used, err = p.usage(ctx); err != nil {
		return used, after, err
	}
	after, err = p.collected(ctx)
	return used, after, err
}

// collected is usage after garbage collection, with the free memory returned to the
// system.
func (p *process) collected(ctx context.Context) (usage, error) {
	used, err := p.readUsage(ctx, "/collected")
	if err != nil || p.profile == "" {
		return used, err
	}
	heap, err := p.Get(ctx, "http://"+p.usageAddress+"/heap", nil)
	if err != nil {
		return used, err
	}
	if err := os.WriteFile(fmt.Sprintf("%s-%dMiB.heap", p.profile, used.Heap>>20), []byte(heap), 0o600); err != nil {
		return used, fmt.Errorf("write heap profile: %w", err)
	}
	return used, nil
}

func (p *process) readUsage(ctx context.Context, path string) (usage, error) {
	var used usage
	text, err := p.Get(ctx, "http://"+p.usageAddress+path, nil)
	if err != nil {
		return used, err
	}
	if err := json.Unmarshal([]byte(text), &used); err != nil {
		return used, fmt.Errorf("read the usage of a process: %w", err)
	}
	return used, nil
}

// cpuOf returns the CPU time that the process uses during the call.
func (p *process) cpuOf(ctx context.Context, call func() error) (time.Duration, error) {
	before, err := p.usage(ctx)
	if err != nil {
		return 0, err
	}
	if err := call(); err != nil {
		return 0, err
	}
	after, err := p.usage(ctx)
	return after.CPU - before.CPU, err
}

// until calls check until it returns nil.
func until(ctx context.Context, what string, check func() error) error {
	return proc.Until(ctx, patience, what, check)
}
