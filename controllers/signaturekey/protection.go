// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

// correctProtection ends the memory that the key is protected if another client has
// removed a finalizer since: the next grant adds it again.
func (r *Reconciler) correctProtection(o keyplan.Observation) {
	var missing slots.ProtectedVersions
	if !signetv1alpha1.IsProtected(o.Key) {
		missing.Key = o.Key.ResourceVersion
	}
	if o.Secret != nil && !signetv1alpha1.IsProtected(o.Secret) {
		missing.Secret = o.Secret.ResourceVersion
	}
	if o.Public != nil && !signetv1alpha1.IsProtected(o.Public) {
		missing.Public = o.Public.ResourceVersion
	}
	r.claims().Namespace(o.Key.Namespace).Unprotected(o.Key.Name, o.Key.UID, missing)
}

// applyProtection writes the finalizers as planned. They are nested: the key's is added
// first and removed last, so that a crash in between leaves a key that does it again.
func (r *Reconciler) applyProtection(ctx context.Context, plan keyplan.Plan, done *outcome) error {
	if plan.ReleasePublic {
		if err := r.removePublicProtection(ctx, done); err != nil {
			return err
		}
	}
	switch plan.Protection {
	case keyplan.RestoreProtection:
		return r.restoreProtection(ctx, done)
	case keyplan.ReleaseCollected:
		return r.removeSecretProtection(ctx, done)
	case keyplan.RemoveProtection:
		if err := r.removeSecretProtection(ctx, done); err != nil {
			return err
		}
		return r.removeKeyProtection(ctx, done)
	case keyplan.RemoveKeyProtection:
		return r.removeKeyProtection(ctx, done)
	default:
		return nil
	}
}

// restoreProtection adds the key's finalizer. Those of Secret and ConfigMap are part of
// what is desired of them, which has been written before.
func (r *Reconciler) restoreProtection(ctx context.Context, done *outcome) error {
	after := done.key.DeepCopy()
	controllerutil.AddFinalizer(after, signetv1alpha1.FinalizerProtection)
	return r.patchKey(ctx, after, done)
}

// removeSecretProtection removes the Secret's finalizer. A Secret without one is written
// nevertheless: otherwise a late write of an earlier leader could protect it after the
// key, and with it the reason to release it, is gone.
func (r *Reconciler) removeSecretProtection(ctx context.Context, done *outcome) error {
	after := done.secret.DeepCopy()
	release(after)
	return client.IgnoreNotFound(r.patchSecret(ctx, done.secret, after))
}

// removePublicProtection does the same with the public ConfigMap.
func (r *Reconciler) removePublicProtection(ctx context.Context, done *outcome) error {
	after := done.public.DeepCopy()
	release(after)
	return client.IgnoreNotFound(r.patchPublic(ctx, after, done))
}

// release removes the finalizer, or changes an object that has none.
func release(object client.Object) {
	if !controllerutil.RemoveFinalizer(object, signetv1alpha1.FinalizerProtection) {
		material.MoveFence(object)
	}
}

// removeKeyProtection removes the key's finalizer, if it has one.
func (r *Reconciler) removeKeyProtection(ctx context.Context, done *outcome) error {
	after := done.key.DeepCopy()
	if !controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection) {
		return nil
	}
	err := r.patchKey(ctx, after, done)
	done.gone = apierrors.IsNotFound(err) || (err == nil && isGone(after))
	return client.IgnoreNotFound(err)
}

// removeOrphanProtection removes the finalizer of an object without a key.
func (r *Reconciler) removeOrphanProtection(ctx context.Context, object client.Object) error {
	after := kubeclient.Copy(object)
	controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection)
	patch := client.MergeFromWithOptions(object, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); client.IgnoreNotFound(err) != nil {
		err = kubeclient.FailedWrite(kubeclient.VerbPatch, err, object)
		events.CountFailedWrite(err, false)
		return err
	}
	return nil
}

// patchKey writes the differences in the key's metadata, if the key is still as
// it was observed.
func (r *Reconciler) patchKey(ctx context.Context, after *signetv1alpha1.SignatureKey, done *outcome) error {
	patch := client.MergeFromWithOptions(done.key, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); err != nil {
		return kubeclient.FailedWrite(kubeclient.VerbPatch, err, done.key, done.observedSecrets()...)
	}
	r.Written.Store(after)
	done.key = after
	return nil
}
