// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// newMount mounts a Secret of the shop, which has to be there soon.
func newMount(tb testing.TB, f *fixture, secret string, delay time.Duration) *gateways.Mount {
	tb.Helper()
	m := &gateways.Mount{Dir: tb.TempDir(), Delay: delay}
	name := client.ObjectKey{Namespace: shop, Name: secret}
	proc.Eventually(tb, "Secret "+secret, func() error { return m.Update(context.Background(), f.Admin, name) })
	inBackground(tb, func(ctx context.Context) { m.Follow(ctx, f.Admin, name) })
	return m
}

// inBackground runs until the test ends.
func inBackground(tb testing.TB, run func(context.Context)) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	tb.Cleanup(func() { cancel(); <-done })
}

// keySet follows Secrets of the shop as a backend that has mounted them.
func keySet(tb testing.TB, f *fixture, delay time.Duration, secrets ...string) func() (*signature.KeySet, error) {
	tb.Helper()
	var dirs []string
	for _, secret := range secrets {
		dirs = append(dirs, newMount(tb, f, secret, delay).Dir)
	}
	keys, err := signature.NewKeySet(dirs, signature.KeySetOptions{Interval: gateways.Look})
	if err != nil {
		tb.Fatal(err)
	}
	inBackground(tb, func(ctx context.Context) { _ = keys.Run(ctx) })
	return func() (*signature.KeySet, error) { return keys, nil }
}
