package signaturekey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// reconcileDeletion lets a deleted key go, or serves on while bindings use it.
func (r *Reconciler) reconcileDeletion(ctx context.Context, run *keyRun) error {
	if run.namespaceTerminating || len(run.users) == 0 {
		return r.release(ctx, run)
	}
	return r.serve(ctx, run)
}

// cleanUp looks after what a key that is gone has left behind. A Secret that
// carries our finalizer is kept for a key that may be restored, but not in a
// namespace that is going as a whole.
func (r *Reconciler) cleanUp(ctx context.Context, key types.NamespacedName) (ctrl.Result, error) {
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
		kept, err := r.letOrphanGo(ctx, &secrets.Items[i])
		if err != nil {
			return ctrl.Result{}, err
		}
		if kept && !r.ClusterWide {
			// No watch will tell that the namespace is being deleted too.
			result.RequeueAfter = liveReadInterval
		}
	}
	return result, nil
}

// letOrphanGo takes our finalizer off a deleted Secret without a key if its
// namespace is terminating. It reports whether the Secret is still held.
func (r *Reconciler) letOrphanGo(ctx context.Context, secret *corev1.Secret) (kept bool, err error) {
	if secret.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(secret, signetv1alpha1.FinalizerProtection) {
		return false, nil
	}
	terminating, err := r.namespaceTerminating(ctx, secret.Namespace, true)
	if err != nil || !terminating {
		return true, err
	}
	before := secret.DeepCopy()
	controllerutil.RemoveFinalizer(secret, signetv1alpha1.FinalizerProtection)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, secret, patch); client.IgnoreNotFound(err) != nil {
		return true, fmt.Errorf("write finalizers of Secret %s: %w", client.ObjectKeyFromObject(secret), err)
	}
	return false, nil
}

// namespaceRefused says that the API server creates nothing any more since the
// namespace is being deleted.
func namespaceRefused(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}
