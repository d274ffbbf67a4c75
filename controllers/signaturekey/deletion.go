// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/signet-dev/signet/internal/keyplan"
)

// reconcileDeleted handles what a key that is gone has left. A Secret with
// Signet's finalizer is kept for a key that may be restored, but not in a
// namespace that is being deleted.
func (r *Reconciler) reconcileDeleted(ctx context.Context, key types.NamespacedName) (ctrl.Result, error) {
	r.expected.forget(key)
	r.liveReads.forget(key)
	r.rotations.forget(key)
	r.refusedWrites.Forget(key)
	r.refusedStatuses.Forget(key)
	orphans, terminating, err := r.observeOrphans(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !terminating {
		if len(orphans) > 0 && !r.ClusterWide {
			// No watch reports that the namespace is being deleted, too.
			return ctrl.Result{RequeueAfter: keyplan.LiveReadInterval}, nil
		}
		return ctrl.Result{}, nil
	}
	for i := range orphans {
		if err := r.removeOrphanProtection(ctx, &orphans[i]); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, nil
}
