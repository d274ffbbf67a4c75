// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const rotationTrigger = "again"

// hasRotated reports whether a key has completed the rotation of the trigger.
func hasRotated(event watch.Event) bool {
	key, ok := event.Object.(*signetv1alpha1.SignatureKey)
	return ok && key.Status.ObservedTrigger == rotationTrigger &&
		meta.IsStatusConditionFalse(key.Status.Conditions, signetv1alpha1.ConditionRotating)
}

// measureRotation rotates all keys at once, with the shortest stages.
func (b *bench) measureRotation(ctx context.Context) error {
	title("%d rotations at once: staged for 1 s, retiring for 1 s", b.count)
	return b.with(ctx, roleManager, func(p *process) error {
		namespace, err := b.newNamespace(ctx)
		if err != nil {
			return err
		}
		keys := newKeys([]string{namespace}, 0, b.count, gen.WithShortRotation())
		if _, err := b.applyKeys(ctx, keys); err != nil {
			return err
		}
		if err := b.quiet(ctx); err != nil {
			return err
		}
		before, err := b.requests(ctx)
		if err != nil {
			return err
		}
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"rotation":{"trigger":"`+rotationTrigger+`"}}}`))
		change := func() error {
			return b.forAll(newKeys([]string{namespace}, 0, b.count), func(key client.Object) error { return b.admin.Patch(ctx, key, patch) })
		}
		spent, err := p.cpuOf(ctx, func() error {
			took, err := b.observe(ctx, change, keysThat(hasRotated, keys))
			b.row(fmt.Sprintf("%s rotations at once, with stages of 1 s and 1 s", thousands(b.count)), fmt.Sprintf("%.1f s", took.Seconds()))
			return err
		})
		if err != nil {
			return err
		}
		line("CPU of the manager: %.1f s", spent.Seconds())
		own := requests{"PATCH signaturekeys": float64(b.count)}
		made, err := b.printRequests(ctx, roleManager, before, own, b.count)
		if err != nil {
			return err
		}
		b.within(fmt.Sprintf("writes of each of %s rotations at once", thousands(b.count)), made.writes()/float64(b.count), 6, "%.2f")
		return b.clean(ctx, namespace)
	})
}
