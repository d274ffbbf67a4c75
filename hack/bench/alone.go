// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// isBoundTo returns what is expected of a binding that signs with the key.
func isBoundTo(key string) func(watch.Event) bool {
	return func(event watch.Event) bool {
		binding, ok := event.Object.(*signetv1alpha1.SignatureBinding)
		return ok && isReady(event) && binding.Status.KeyName == key
	}
}

// measureAlone binds keys, and moves the bindings to others, one after the other.
func (b *bench) measureAlone(ctx context.Context) error {
	title("one binding alone, and one move to another key alone, %d times each: from the request until it is seen to be Bound", b.samples)
	return b.with(ctx, roleManager, func(*process) error {
		namespace, err := b.newNamespace(ctx)
		if err != nil {
			return err
		}
		if _, err := b.applyKeys(ctx, newKeys([]string{namespace}, 0, 2*b.samples)); err != nil {
			return err
		}
		if err := b.quiet(ctx); err != nil {
			return err
		}
		before, err := b.requests(ctx)
		if err != nil {
			return err
		}
		var bound, moved []time.Duration
		for i := range b.samples {
			binding := gen.SignatureBinding(pairName(i), pairName(i), gen.WithAPIs(apiNames(i, b.apis)...))
			binding.Namespace = namespace
			took, err := b.bindAlone(ctx, binding, pairName(i), func() error { return b.admin.Create(ctx, binding) })
			if err != nil {
				return err
			}
			bound = append(bound, took)
			target := pairName(b.samples + i)
			patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"keyRef":{"name":%q}}}`, target))
			if took, err = b.bindAlone(ctx, binding, target, func() error { return b.admin.Patch(ctx, binding, patch) }); err != nil {
				return err
			}
			moved = append(moved, took)
		}
		after, err := b.requests(ctx)
		if err != nil {
			return err
		}
		b.reportAlone("one binding alone", bound)
		b.reportAlone("one move to another key alone", moved)
		b.within(fmt.Sprintf("conflicts in these %d bindings and moves", 2*b.samples), after.since(before, nil).conflicts(), 0, "%.0f")
		return b.clean(ctx, namespace)
	})
}

// bindAlone returns the time until the binding signs with the key, and then waits until
// the key reports that.
func (b *bench) bindAlone(ctx context.Context, binding client.Object, key string, change func() error) (time.Duration, error) {
	took, err := b.observe(ctx, change, bindingsThat(isBoundTo(key), []client.Object{binding.DeepCopyObject().(client.Object)})) //nolint:forcetypeassert // a copy
	if err != nil {
		return 0, err
	}
	target := gen.SignatureKey(key)
	target.Namespace = binding.GetNamespace()
	nothing := func() error { return nil }
	_, err = b.observe(ctx, nothing, keysThat(isInUse, []client.Object{target}))
	return took, err
}

func (b *bench) reportAlone(what string, took []time.Duration) {
	slices.Sort(took)
	line("%s: p50 %.1f ms, p90 %.1f ms, at most %.1f ms", what, milliseconds(percentile(took, 50)),
		milliseconds(percentile(took, 90)), milliseconds(took[len(took)-1]))
	b.within(fmt.Sprintf("%s, request to Bound, p50 of %d", what, len(took)), milliseconds(percentile(took, 50)), 50, "%.1f ms")
}
