// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
)

// fence changes the objects that a late write must not change any more once the plan is
// carried out: one of this process whose outcome is unknown, or one of an earlier leader.
// A late status would record another Secret than the one that is created, and late
// material would have versions that are not published. The plan is made again then,
// because it is based on the versions before.
func (r *Reconciler) fence(ctx context.Context, o keyplan.Observation, plan keyplan.Plan, done *outcome) error {
	if plan.Secret != nil && plan.Secret.Observed == nil && r.mayChangeLate(o.Key) {
		after := o.Key.DeepCopy()
		after.Status.FencingToken++
		if err := r.patchKeyStatus(ctx, o.Key, after); err != nil {
			return err
		}
		done.fenced = true
	}
	if plan.Public != nil && o.Secret != nil && r.mayChangeLate(o.Secret) {
		after := o.Secret.DeepCopy()
		material.MoveFence(after)
		if err := r.patchSecret(ctx, o.Secret, after); err != nil {
			return err
		}
		done.fenced = true
	}
	return nil
}

// mayChangeLate reports whether a write that was sent earlier may still change this
// version of an object.
func (r *Reconciler) mayChangeLate(object client.Object) bool {
	return r.unsettled.MayChange(object) || r.Term.MayChange(object)
}

// forgetWrites drops what is known of the writes of a key that is gone.
func (r *Reconciler) forgetWrites(key client.Object) {
	for _, writes := range []*kubeclient.FailingWrites{r.refusedWrites, r.refusedStatuses} {
		writes.Forget(client.ObjectKeyFromObject(key))
	}
	r.Written.Forget(key)
	r.unsettled.Forget(key)
}
