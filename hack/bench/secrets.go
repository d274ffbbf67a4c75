// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fillSecrets creates Secrets of random bytes in a new namespace, with a label unless it
// is empty. Each is filled when it is sent, so that this process stays small.
func (b *bench) fillSecrets(ctx context.Context, count, size int, label string) (namespace string, err error) {
	if namespace, err = b.newNamespace(ctx); err != nil {
		return "", err
	}
	var names []client.Object
	for i := range count {
		names = append(names, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("large-%05d", i)}})
	}
	return namespace, b.forAll(names, func(object client.Object) error {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: object.GetName()}}
		if label != "" {
			secret.Labels = map[string]string{label: "true"}
		}
		data := make([]byte, size)
		_, _ = rand.Read(data)
		secret.Data = map[string][]byte{"data": data}
		if err := b.admin.Create(ctx, secret); err != nil {
			return fmt.Errorf("create Secret %s: %w", secret.Name, err)
		}
		return nil
	})
}

// measureUnrelated measures a manager before and after Secrets are created that it does
// not use.
func (b *bench) measureUnrelated(ctx context.Context) error {
	title("Live heap of a manager with %d Secrets of %d KiB that it does not use", b.unrelated, b.unrelatedKiB)
	before, err := b.heapOfFresh(ctx)
	if err != nil {
		return err
	}
	namespace, err := b.fillSecrets(ctx, b.unrelated, b.unrelatedKiB<<10, "")
	if err != nil {
		return err
	}
	after, err := b.heapOfFresh(ctx)
	if err != nil {
		return err
	}
	line("before %.1f MiB, with them %.1f MiB", mebi(before), mebi(after))
	b.within(fmt.Sprintf("live heap for %s Secrets of %d KiB that Signet does not use", thousands(b.unrelated), b.unrelatedKiB),
		mebi(max(0, after-before)), 1, "%.1f MiB")
	return b.clean(ctx, namespace)
}

// heapOfFresh starts a manager and returns its live heap.
func (b *bench) heapOfFresh(ctx context.Context) (heap int64, err error) {
	err = b.with(ctx, roleManager, func(p *process) error {
		if err := b.quiet(ctx); err != nil {
			return err
		}
		used, err := p.collected(ctx)
		heap = used.Heap
		return err
	})
	return heap, err
}
