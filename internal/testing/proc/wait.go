// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// Soon is how long a test waits for what Signet, the API server or another
	// program does on its own.
	Soon = time.Minute
	// Long is how long a test waits for what the garbage collector, the namespace
	// controller or the removal of a CRD has to do first. The garbage collector
	// learns new kinds only every 30 seconds.
	Long = 3 * time.Minute
	// Poll is how often a test checks.
	Poll = 25 * time.Millisecond
	// pollPrograms is how often Until checks: some checks are expensive.
	pollPrograms = 50 * time.Millisecond
)

// finalError is one that a repetition does not change.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Final marks an error as one that Until returns at once.
func Final(err error) error { return finalError{err} }

// Until calls check until it returns nil, the limit is over, or the context ends.
// The error is that of the last check.
func Until(ctx context.Context, limit time.Duration, what string, check func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, pollPrograms, limit, true, func(context.Context) (bool, error) {
		var final finalError
		if last = check(); errors.As(last, &final) {
			return false, last
		}
		return last == nil, nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for %s: %w", what, errors.Join(ctx.Err(), last))
	default:
		return fmt.Errorf("waited %s for %s: %w", limit, what, last)
	}
}

// Eventually fails the test unless check returns nil within Soon.
func Eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	gomega.NewWithT(tb).Eventually(check).WithTimeout(Soon).WithPolling(Poll).Should(gomega.Succeed(), "wait for %s", what)
}

// EventuallyLong fails the test unless check returns nil within Long.
func EventuallyLong(tb testing.TB, what string, check func() error) {
	tb.Helper()
	if err := Until(context.WithoutCancel(tb.Context()), Long, what, check); err != nil {
		tb.Fatal(err)
	}
}
