// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/gen"
)

// measureAdmission measures the admission of bindings with many slots taken, as a
// user sees it.
func (b *bench) measureAdmission(ctx context.Context) error {
	const apis = 1000
	title("Admission of a binding with %d slots taken, as a client of the API server sees it (dry run)", b.slotBindings*apis)
	return b.with(ctx, roleManager, func(*process) error {
		namespace, err := b.newNamespace(ctx)
		if err != nil {
			return err
		}
		in := []string{namespace}
		if _, err := b.applyKeys(ctx, newKeys(in, 0, b.slotBindings)); err != nil {
			return err
		}
		bindings := newBindings(in, 0, b.slotBindings, apis)
		took, err := b.observe(ctx, func() error { return b.createAll(ctx, bindings) }, bindingsThat(isReady, bindings))
		if err != nil {
			return err
		}
		line("%d bindings of %d APIs were Bound after %.1f s", b.slotBindings, apis, took.Seconds())
		for _, size := range []int{1, 10, apis} {
			if err := b.admit(ctx, namespace, size); err != nil {
				return err
			}
		}
		line("the webhook alone, in process: go test -bench Admission ./internal/admission (budget: p99 under 5 ms)")
		return b.clean(ctx, namespace)
	})
}

// admit measures the admission of bindings whose APIs are all taken, each by another
// binding as far as there are that many.
func (b *bench) admit(ctx context.Context, namespace string, apis int) error {
	names := make([]string, apis)
	for i := range names {
		names[i] = apiNames(i%b.slotBindings, apis)[i]
	}
	// A binding that signs identically would not conflict.
	probe := gen.SignatureBinding("probe", pairName(0), gen.WithAPIs(names...), gen.WithSignatureHeader("X-Signature"))
	probe.Namespace = namespace
	times := make([]time.Duration, b.admissions)
	for i := range times {
		start := time.Now()
		if err := b.admin.Create(ctx, probe.DeepCopy(), client.DryRunAll); err != nil {
			return fmt.Errorf("create binding: %w", err)
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	b.row(fmt.Sprintf("admission of a binding of %d APIs, all taken, by the API server and the webhook, n=%d", apis, b.admissions),
		fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", milliseconds(percentile(times, 50)), milliseconds(percentile(times, 99))))
	return nil
}
