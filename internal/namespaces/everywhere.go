// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/signet-dev/signet/internal/kubeclient"
)

// Everywhere checks while a command works in all namespaces whether it has its
// permissions. Watches do not end when one is lost, and nothing else shows it before the
// next write.
type Everywhere struct {
	// Review returns a kubeclient.MissingPermissionsError if a permission is missing. Any
	// other error tells nothing.
	Review func(ctx context.Context) error
	Logger logr.Logger
	Clock  clock.WithTicker

	missing atomic.Bool
}

// Start checks the permissions at intervals, until the context ends.
func (e *Everywhere) Start(ctx context.Context) error {
	ticker := e.Clock.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			e.check(ctx)
		}
	}
}

// NeedLeaderElection makes every replica check: each serves the webhooks.
func (e *Everywhere) NeedLeaderElection() bool { return false }

func (e *Everywhere) check(ctx context.Context) {
	err := e.Review(ctx)
	missing := (*kubeclient.MissingPermissionsError)(nil)
	isMissing := errors.As(err, &missing)
	if err != nil && !isMissing || e.missing.Swap(isMissing) == isMissing {
		return
	}
	if isMissing {
		e.Logger.Error(err, "Lost permissions")
	} else {
		e.Logger.Info("Regained permissions")
	}
}

// Collector returns the metric of that name, with one series: 1 for the namespace "*",
// which stands for all, and 0 while a permission is missing.
func (e *Everywhere) Collector(name string) prometheus.Collector {
	return newCollector(name, func() []string { return []string{allNamespaces} }, func(string) bool { return !e.missing.Load() })
}
