// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// dropForMoment lets a holder that has a rival drop all its APIs and list them again
// soon, or as soon as a grant to the rival is on its way. If no holder has a rival, one
// of them gets one.
func (t *tenant) dropForMoment(ctx context.Context) error {
	chosen, wait := t.dice.below(bindingCount), t.dice.between(0, 2*time.Second)
	var bindings signetv1alpha1.SignatureBindingList
	if err := t.client.List(ctx, &bindings, client.InNamespace(t.namespace)); err != nil {
		return err
	}
	var holders, contested []*signetv1alpha1.SignatureBinding
	for i := range bindings.Items {
		holder := &bindings.Items[i]
		if len(slots.HeldBy(holder)) == 0 {
			continue
		}
		holders = append(holders, holder)
		if hasRival(holder, bindings.Items) {
			contested = append(contested, holder)
		}
	}
	switch {
	case len(contested) > 0:
		return t.dropAndReturn(ctx, contested[chosen%len(contested)], wait)
	case len(holders) > 0:
		return t.challenge(ctx, holders[chosen%len(holders)])
	default:
		return nil
	}
}

// hasRival reports whether another binding lists what the binding holds.
func hasRival(holder *signetv1alpha1.SignatureBinding, bindings []signetv1alpha1.SignatureBinding) bool {
	return slices.ContainsFunc(bindings, func(other signetv1alpha1.SignatureBinding) bool {
		return other.Name != holder.Name && slices.ContainsFunc(slots.ListedBy(&other), func(slot slots.Slot) bool {
			return slices.Contains(slots.HeldBy(holder), slot)
		})
	})
}

// challenge creates a rival of a holder, in place of another binding.
func (t *tenant) challenge(ctx context.Context, holder *signetv1alpha1.SignatureBinding) error {
	rival := t.newBinding(t.binding(), t.key())
	if rival.Name == holder.Name {
		return nil
	}
	rival.Spec.Environment, rival.Spec.APIs = holder.Spec.Environment, holder.Spec.APIs
	gen.WithSignatureHeader("X-Rival")(rival)
	if err := t.client.Delete(ctx, rival.DeepCopy()); client.IgnoreNotFound(err) != nil {
		return err
	}
	return t.client.Create(ctx, rival)
}

func (t *tenant) dropAndReturn(ctx context.Context, holder *signetv1alpha1.SignatureBinding, wait time.Duration) error {
	dropped := holder.DeepCopy()
	gen.ReplacingAPIs(gen.WithAPIs("own-" + holder.Name))(dropped)
	if err := t.client.Patch(ctx, dropped, client.MergeFrom(holder)); err != nil {
		return err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-t.hints:
	case <-timer.C:
	}
	returned := dropped.DeepCopy()
	returned.Spec.APIs = holder.Spec.APIs
	return t.client.Patch(ctx, returned, client.MergeFrom(dropped))
}

// contend lets an older binding list what another one lists, while a grant to that one
// is on its way.
func (t *tenant) contend(ctx context.Context, name string) error {
	var bindings signetv1alpha1.SignatureBindingList
	if err := t.client.List(ctx, &bindings, client.InNamespace(t.namespace)); err != nil {
		return err
	}
	late := slices.IndexFunc(bindings.Items, func(binding signetv1alpha1.SignatureBinding) bool { return binding.Name == name })
	if late < 0 {
		return nil
	}
	oldest := slices.MinFunc(bindings.Items, func(a, b signetv1alpha1.SignatureBinding) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	if oldest.Name == name {
		return nil
	}
	returned := oldest.DeepCopy()
	returned.Spec.Environment, returned.Spec.APIs = bindings.Items[late].Spec.Environment, bindings.Items[late].Spec.APIs
	return t.client.Patch(ctx, returned, client.MergeFrom(&oldest))
}
