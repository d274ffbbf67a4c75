// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/signet-dev/signet/internal/kubeclient"
)

func TestLostPermissionsShowInTheMetric(t *testing.T) {
	now, asked, answers := clocktesting.NewFakeClock(time.Now()), make(chan struct{}, 10), make(chan error)
	e := &Everywhere{
		Review: func(ctx context.Context) error {
			asked <- struct{}{}
			select {
			case err := <-answers:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		Logger: logr.Discard(), Clock: now,
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- e.Start(ctx) }()
	collector := e.Collector("served")
	// next lets a check begin, which waits for its answer: the one before has ended.
	next := func() {
		for !now.HasWaiters() {
			time.Sleep(time.Millisecond)
		}
		now.Step(checkInterval)
	}
	next()
	<-asked
	for i, step := range []struct {
		answer error
		want   float64
	}{
		{nil, 1},
		{errors.New("the API server does not answer"), 1},
		{&kubeclient.MissingPermissionsError{}, 0},
		{errors.New("the API server does not answer"), 0},
		{nil, 1},
	} {
		answers <- step.answer
		next()
		<-asked
		if got := testutil.ToFloat64(collector); got != step.want {
			t.Errorf("after answer %d: %v", i, got)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
