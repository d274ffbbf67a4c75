// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// idle is an empty namespace. A manager that works only there serves admission and
// leaves the objects to another program.
const idle = "idle"

func newKeys(namespace string, count int) []client.Object {
	keys := make([]client.Object, count)
	for i := range keys {
		keys[i] = &signetv1alpha1.SignatureKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("key-%04d", i)},
			Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
		}
	}
	return keys
}

func newBindings(namespace string, count, apis int) []client.Object {
	bindings := make([]client.Object, count)
	for i := range bindings {
		binding := &signetv1alpha1.SignatureBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("binding-%04d", i)},
			Spec: signetv1alpha1.SignatureBindingSpec{
				KeyRef: signetv1alpha1.LocalReference{Name: fmt.Sprintf("key-%04d", i)}, Environment: "RELEASE",
			},
		}
		for api := range apis {
			binding.Spec.APIs = append(binding.Spec.APIs, signetv1alpha1.NewAPIReference(
				signetv1alpha1.APIKindAPI, fmt.Sprintf("api-%04d-%04d", i, api)))
		}
		bindings[i] = binding
	}
	return bindings
}

// measureKeys applies the keys to Signet and to the bare loop in turn.
func (b *bench) measureKeys(ctx context.Context) error {
	title("%d HMAC keys applied at once until all are Ready", b.keys)
	if err := b.namespace(ctx, idle); err != nil {
		return err
	}
	var signet, bare []time.Duration
	for round := range b.rounds {
		took, writes, err := b.signetRound(ctx, fmt.Sprintf("signet-%d", round))
		if err != nil {
			return err
		}
		signet = append(signet, took)
		if round == 0 {
			line("API requests in the first round, without Events, leases and watches:")
			for _, text := range writes {
				line("  %s", text)
			}
			line("  budget: 2 writes for each key, the Secret and the status")
		}
		if took, err = b.bareRound(ctx, fmt.Sprintf("bare-%d", round)); err != nil {
			return err
		}
		bare = append(bare, took)
	}
	line("Signet, seconds       %s", seconds(signet))
	line("bare loop, seconds    %s", seconds(bare))
	line("ratio of medians      %.2f (budget: 1.30)", float64(median(signet))/float64(median(bare)))
	return nil
}

func (b *bench) signetRound(ctx context.Context, namespace string) (took time.Duration, writes []string, err error) {
	if err := b.namespace(ctx, namespace); err != nil {
		return 0, nil, err
	}
	p, err := b.startManager(ctx, "--namespaces="+namespace)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	before, err := b.requests(ctx)
	if err != nil {
		return 0, nil, err
	}
	if took, err = b.apply(ctx, namespace, &signetv1alpha1.SignatureKeyList{}, newKeys(namespace, b.keys)); err != nil {
		return 0, nil, err
	}
	after, err := b.requests(ctx)
	own := requests{"POST signaturekeys": float64(b.keys)}
	return took, after.since(before, own, b.keys), err
}

func (b *bench) bareRound(ctx context.Context, namespace string) (took time.Duration, err error) {
	if err := b.namespace(ctx, namespace); err != nil {
		return 0, err
	}
	admission, err := b.startManager(ctx, "--namespaces="+idle)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, admission.Stop()) }()
	loop, err := b.start(roleBare, "--namespaces="+namespace)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, loop.Stop()) }()
	// The loop works when it has made a key ready.
	first := newKeys(namespace, 1)
	first[0].SetName("first")
	if _, err := b.apply(ctx, namespace, &signetv1alpha1.SignatureKeyList{}, first); err != nil {
		return 0, err
	}
	return b.apply(ctx, namespace, &signetv1alpha1.SignatureKeyList{}, newKeys(namespace, b.keys))
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func seconds(values []time.Duration) string {
	var text string
	for _, value := range values {
		text += fmt.Sprintf("%7.2f", value.Seconds())
	}
	return text
}

func title(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }
func line(format string, args ...any)  { fmt.Printf(format+"\n", args...) }
