// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// measureBindings binds each key of the first round.
func (b *bench) measureBindings(ctx context.Context) (err error) {
	title("%d bindings of %d APIs each, each with a key of its own, until all are Ready", b.keys, b.apis)
	const namespace = "signet-0"
	p, err := b.startManager(ctx, "--namespaces="+namespace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	before, err := b.requests(ctx)
	if err != nil {
		return err
	}
	took, err := b.apply(ctx, namespace, &signetv1alpha1.SignatureBindingList{}, newBindings(namespace, b.keys, b.apis))
	if err != nil {
		return err
	}
	if err := b.quiet(ctx); err != nil {
		return err
	}
	after, err := b.requests(ctx)
	if err != nil {
		return err
	}
	line("seconds               %7.2f", took.Seconds())
	line("API requests:")
	for _, text := range after.since(before, requests{"POST signaturebindings": float64(b.keys)}, b.keys) {
		line("  %s", text)
	}
	line("  budget: 4 writes for the first binding of a key: both finalizers, two statuses")
	return nil
}

// quiet returns when nothing has been written for some time.
func (b *bench) quiet(ctx context.Context) error {
	const still = 3 * time.Second
	var last string
	since := time.Now()
	return until(ctx, "the controllers to finish", func() error {
		now, err := b.requests(ctx)
		if err != nil {
			return err
		}
		if text := fmt.Sprint(now); text != last {
			last, since = text, time.Now()
		}
		if time.Since(since) < still {
			return errors.New("requests continue")
		}
		return nil
	})
}

// measureMemory measures a manager without objects, with keys and bindings, and
// with Secrets that it does not use.
func (b *bench) measureMemory(ctx context.Context) error {
	title("Memory of the manager: live heap after garbage collection")
	empty, err := b.heapOf(ctx, "--namespaces="+idle)
	if err != nil {
		return err
	}
	full, err := b.heapOf(ctx, "--namespaces=signet-0")
	if err != nil {
		return err
	}
	line("idle                                  %8.1f MiB", mebi(empty))
	line("%d keys and bindings of %d APIs     %8.1f MiB: %.1f KiB for each key + binding (budget: 20)",
		b.keys, b.apis, mebi(full), float64(full-empty)/1024/float64(b.keys))
	if err := b.namespace(ctx, "unrelated"); err != nil {
		return err
	}
	before, err := b.heapOf(ctx)
	if err != nil {
		return err
	}
	var secrets []client.Object
	for i := range b.unrelated {
		data := make([]byte, b.unrelatedKiB*1024)
		_, _ = rand.Read(data)
		secrets = append(secrets, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "unrelated", Name: fmt.Sprintf("unrelated-%04d", i)}, Data: map[string][]byte{"data": data},
		})
	}
	if err := b.createAll(ctx, secrets); err != nil {
		return err
	}
	after, err := b.heapOf(ctx)
	if err != nil {
		return err
	}
	line("cluster-wide, before                  %8.1f MiB", mebi(before))
	line("with %d unused Secrets of %d KiB   %8.1f MiB: %+.1f (budget: nothing)", b.unrelated, b.unrelatedKiB, mebi(after), mebi(after-before))
	return nil
}

// heapOf starts a manager and returns its live heap.
func (b *bench) heapOf(ctx context.Context, args ...string) (heap int64, err error) {
	p, err := b.startManager(ctx, args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := b.quiet(ctx); err != nil {
		return 0, err
	}
	return p.heapBytes(ctx)
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// measureAdmission measures the admission of bindings with many slots taken, as a
// user sees it.
func (b *bench) measureAdmission(ctx context.Context) (err error) {
	const namespace, apis = "slots", 1000
	title("Admission of a binding with %d slots taken, as a client of the API server sees it (dry run)", b.slotBindings*apis)
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	p, err := b.startManager(ctx, "--namespaces="+namespace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if _, err := b.apply(ctx, namespace, &signetv1alpha1.SignatureKeyList{}, newKeys(namespace, b.slotBindings)); err != nil {
		return err
	}
	took, err := b.apply(ctx, namespace, &signetv1alpha1.SignatureBindingList{}, newBindings(namespace, b.slotBindings, apis))
	if err != nil {
		return err
	}
	line("%d bindings of %d APIs were Ready after %.1f s", b.slotBindings, apis, took.Seconds())
	for _, size := range []int{1, 10, apis} {
		if err := b.admit(ctx, namespace, size); err != nil {
			return err
		}
	}
	line("the webhook alone, in process: go test -bench Admission ./internal/admission (budget: p99 under 5 ms)")
	return nil
}

// admit measures the admission of bindings whose APIs are all taken.
func (b *bench) admit(ctx context.Context, namespace string, apis int) error {
	probe := newBindings(namespace, 1, apis)[0].(*signetv1alpha1.SignatureBinding)
	probe.Name = "probe"
	probe.Spec.SignatureHeader = "X-Signature" // a binding that signs identically would not conflict
	times := make([]time.Duration, b.admissions)
	for i := range times {
		start := time.Now()
		if err := b.admin.Create(ctx, probe.DeepCopy(), client.DryRunAll); err != nil {
			return fmt.Errorf("create binding: %w", err)
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	line("%4d APIs, all taken   p50 %6.2f ms   p99 %6.2f ms", apis, milliseconds(percentile(times, 50)), milliseconds(percentile(times, 99)))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
