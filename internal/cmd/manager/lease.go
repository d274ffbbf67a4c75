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

// lease is a lock that knows until when it is ours. A leader that was stopped
// for longer than its lease finds out from the clock, before it writes anything,
// and not only when its next renewal fails.
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
		return nil, fmt.Errorf("make a client for the lease: %w", err)
	}
	coordination, err := v1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for the lease: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the host's name: %w", err)
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, leaseName, core, coordination,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())})
	if err != nil {
		return nil, fmt.Errorf("make the lease: %w", err)
	}
	return &lease{Interface: lock, duration: duration, clock: clock.RealClock{}}, nil
}

// Create takes the lease for the first time.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begin := l.clock.Now()
	err := l.Interface.Create(ctx, record)
	l.note(record, begin, err)
	return err
}

// Update takes, renews or releases the lease.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begin := l.clock.Now()
	err := l.Interface.Update(ctx, record)
	l.note(record, begin, err)
	return err
}

// note counts from before the request was sent: others count from when they
// see it. Wall time, since a monotonic clock may stand still in a stopped
// process or machine.
func (l *lease) note(record resourcelock.LeaderElectionRecord, begin time.Time, err error) {
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
	if record.HolderIdentity == l.Identity() {
		l.until = begin.Round(0).Add(l.duration)
	}
}

// Leading says whether the lease is ours and has not run out.
func (l *lease) Leading() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.Now().Round(0).Before(l.until)
}
