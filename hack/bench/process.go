// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// patience is the timeout of everything that is not measured itself.
const patience = 10 * time.Minute

// process is the bench in one of its roles.
type process struct {
	*proc.Process
	heap string
}

func (b *bench) start(role string, args ...string) (*process, error) {
	heap, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	// Ctrl-C reaches the bench only, which stops the others in order.
	started, err := proc.Start(proc.Command{
		Name: role, Program: os.Args[0], OwnGroup: true,
		Log: filepath.Join(b.cluster.Dir, role+"-"+time.Now().Format("150405.000")+".log"),
		Args: append([]string{
			role, "--heap-bind-address=" + heap, "--kubeconfig=" + b.kubeconfigs[role], "--metrics-bind-address=0",
		}, args...),
	})
	if err != nil {
		return nil, err
	}
	return &process{Process: started, heap: heap}, nil
}

// startManager starts Signet's manager and waits until it serves admission.
func (b *bench) startManager(ctx context.Context, args ...string) (*process, error) {
	probes, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	p, err := b.start(roleManager, append([]string{
		"--webhook-bind-address=" + b.webhooks, "--webhook-names=127.0.0.1", "--health-probe-bind-address=" + probes,
		"--shutdown-delay=0s",
	}, args...)...)
	if err != nil {
		return nil, err
	}
	err = until(ctx, "the manager to be ready", func() error {
		if _, err := p.Get(ctx, "http://"+probes+"/readyz", nil); err != nil {
			return err
		}
		return b.admissionAnswers(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// heapBytes is the live heap of the process.
func (p *process) heapBytes(ctx context.Context) (int64, error) {
	text, err := p.Get(ctx, "http://"+p.heap, nil)
	if err != nil {
		return 0, err
	}
	bytes, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read heap size: %w", err)
	}
	return bytes, nil
}

// until calls check until it returns nil.
func until(ctx context.Context, what string, check func() error) error {
	return proc.Until(ctx, patience, what, check)
}
