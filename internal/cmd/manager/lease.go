// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
)

const leaseName = "signet-controller-manager"

// lease is a lock that knows until when this process holds it. A leader that was
// paused for longer than its lease learns this from the clock before it writes
// anything, and not only when its next renewal fails.
type lease struct {
	resourcelock.Interface
	duration time.Duration
	clock    clock.PassiveClock

	mu    sync.Mutex
	until time.Time
}

func newLease(config *rest.Config, namespace string, duration time.Duration) (*lease, error) {
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create client for the lease: %w", err)
	}
	coordination, err := v1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create client for the lease: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read host name: %w", err)
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, leaseName, core, coordination,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())})
	if err != nil {
		return nil, fmt.Errorf("create lease: %w", err)
	}
	return &lease{Interface: lock, duration: duration, clock: clock.RealClock{}}, nil
}

// Create takes the lease for the first time.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	start := l.clock.Now()
	err := l.Interface.Create(ctx, record)
	l.extend(record, start, err)
	return err
}

// Update takes, renews or releases the lease.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	start := l.clock.Now()
	err := l.Interface.Update(ctx, record)
	l.extend(record, start, err)
	return err
}

// extend sets the end of the lease. It counts from before the request was sent,
// while other replicas count from when they see it. It uses wall time, because a
// monotonic clock may stand still while a process or machine is suspended.
func (l *lease) extend(record resourcelock.LeaderElectionRecord, start time.Time, err error) {
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
	if record.HolderIdentity == l.Identity() {
		l.until = start.Round(0).Add(l.duration)
	}
}

// Leading reports whether this process holds the lease and it has not expired.
func (l *lease) Leading() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.Now().Round(0).Before(l.until)
}
