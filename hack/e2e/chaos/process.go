// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// restartDelay is how long a manager stays down at least, as with a kubelet.
const restartDelay = 200 * time.Millisecond

// replica is one of the managers. It is started again whenever it ends.
type replica struct {
	name    string
	proxy   *proxy
	cluster *env.Cluster
	options env.ProcessOptions
	journal *journal

	mu      sync.Mutex
	process *env.ManagerProcess
	// crashes are the outputs of processes that ended by a panic, and starts counts
	// all processes.
	crashes []string
	starts  int
}

func newReplica(ctx context.Context, cluster *env.Cluster, binary string, p *proxy, journal *journal) (*replica, error) {
	config, err := cluster.ServiceAccountConfig(ctx, env.SystemNamespace, env.ManagerAccount)
	if err != nil {
		return nil, err
	}
	config.Host, config.CAData = p.url, p.ca
	kubeconfig := filepath.Join(cluster.Dir, p.name+".kubeconfig")
	if err := cluster.WriteKubeconfig(config, kubeconfig); err != nil {
		return nil, err
	}
	address, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	r := &replica{
		name: p.name, proxy: p, cluster: cluster, journal: journal,
		options: env.ProcessOptions{
			Binary: binary, Name: p.name, Kubeconfig: kubeconfig, Webhooks: address, NotReady: true,
			Flags: []string{
				"--public-key-enable", "--leader-elect", "--leader-elect-namespace=" + env.SystemNamespace,
				"--leader-elect-lease-duration=" + leaseDuration.String(), "--leader-elect-renew-deadline=" + renewDeadline.String(),
				"--leader-elect-retry-period=" + retryPeriod.String(),
			},
		},
	}
	p.handOver = r.end
	return r, nil
}

// end ends the manager as an update does. It releases its lease, so that the other
// one leads while late writes are on their way.
func (r *replica) end() {
	r.journal.fault("", "manager ended", "%s", r.name)
	r.signal(syscall.SIGTERM)
}

// keepRunning runs the manager until the context ends.
func (r *replica) keepRunning(ctx context.Context) error {
	for ctx.Err() == nil {
		process, err := r.cluster.StartManagerProcess(ctx, r.options)
		if err != nil {
			return fmt.Errorf("start %s: %w", r.name, err)
		}
		r.mu.Lock()
		r.process = process
		r.starts++
		r.mu.Unlock()
		r.journal.note("", "%s starts", r.name)
		select {
		case <-ctx.Done():
			process.Kill()
			return nil
		case <-process.Ended():
		}
		r.noteEnd(process)
		pause(ctx, restartDelay)
	}
	return nil
}

func (r *replica) noteEnd(process *env.ManagerProcess) {
	r.journal.note("", "%s has ended with exit status %d", r.name, process.ExitCode())
	output := process.Output()
	for _, sign := range []string{"panic: ", "fatal error: "} {
		if at := strings.Index(output, "\n"+sign); at >= 0 {
			r.mu.Lock()
			r.crashes = append(r.crashes, output[at:min(len(output), at+2000)])
			r.mu.Unlock()
			return
		}
	}
}

// signal sends a signal to the process, if there is one.
func (r *replica) signal(signal syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		r.process.Signal(signal)
	}
}

// webhooks is where the manager serves admission.
func (r *replica) webhooks() string { return r.options.Webhooks }

// crashed returns an error about processes that ended by a panic.
func (r *replica) crashed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, crash := range r.crashes {
		errs = append(errs, fmt.Errorf("%s crashed: %s", r.name, crash))
	}
	return errors.Join(errs...)
}
