// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
)

// reconcileDeleted handles what a key that is gone has left. A Secret with
// Signet's finalizer is kept for a key that may be restored, but not in a
// namespace that is being deleted.
func (r *Reconciler) reconcileDeleted(ctx context.Context, key types.NamespacedName) (ctrl.Result, error) {
	r.expected.forget(key)
	r.liveReads.forget(key)
	r.rotations.forget(key)
	var secrets corev1.SecretList
	err := r.Client.List(ctx, &secrets, client.InNamespace(key.Namespace),
		client.MatchingLabels{signetv1alpha1.LabelKey: key.Name})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("list Secrets of SignatureKey %s: %w", key, err)
	}
	var result ctrl.Result
	for i := range secrets.Items {
		protected, err := r.removeOrphanProtection(ctx, &secrets.Items[i])
		if err != nil {
			return ctrl.Result{}, err
		}
		if protected && !r.ClusterWide {
			// No watch reports that the namespace is being deleted, too.
			result.RequeueAfter = keyplan.LiveReadInterval
		}
	}
	return result, nil
}
