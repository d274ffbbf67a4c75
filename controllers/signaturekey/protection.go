// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"

	corev1 "k8s.io/api/core/v1"
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
	if !controllerutil.ContainsFinalizer(o.Key, signetv1alpha1.FinalizerProtection) {
		missing.Key = o.Key.ResourceVersion
	}
	if o.Secret != nil && !controllerutil.ContainsFinalizer(o.Secret, signetv1alpha1.FinalizerProtection) {
		missing.Secret = o.Secret.ResourceVersion
	}
	r.Claims.Namespace(o.Key.Namespace).Unprotected(o.Key.Name, o.Key.UID, missing)
}

// restoreProtection adds the key's finalizer. The Secret's is part of the
// desired Secret, which has been written before.
func (r *Reconciler) restoreProtection(ctx context.Context, done *outcome) error {
	after := done.key.DeepCopy()
	controllerutil.AddFinalizer(after, signetv1alpha1.FinalizerProtection)
	return r.patchKey(ctx, after, done)
}

// removeProtection removes the finalizers, the Secret's first: a crash in between
// leaves a key that does it again. A Secret without one is written nevertheless:
// otherwise a late write of an earlier leader could protect it after the key, and
// with it the reason to release it, is gone.
func (r *Reconciler) removeProtection(ctx context.Context, done *outcome) error {
	if err := r.removeSecretProtection(ctx, done); err != nil {
		return err
	}
	return r.removeKeyProtection(ctx, done)
}

// removeSecretProtection removes the Secret's finalizer.
func (r *Reconciler) removeSecretProtection(ctx context.Context, done *outcome) error {
	after := done.secret.DeepCopy()
	if !controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection) {
		material.MoveFence(after)
	}
	return client.IgnoreNotFound(r.patchSecret(ctx, done.key, done.secret, after))
}

// removeKeyProtection removes the key's finalizer, if it has one.
func (r *Reconciler) removeKeyProtection(ctx context.Context, done *outcome) error {
	after := done.key.DeepCopy()
	if !controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection) {
		return nil
	}
	err := r.patchKey(ctx, after, done)
	done.gone = apierrors.IsNotFound(err) || (err == nil && !after.DeletionTimestamp.IsZero() && len(after.Finalizers) == 0)
	return client.IgnoreNotFound(err)
}

// removeOrphanProtection removes the finalizer of a Secret without a key.
func (r *Reconciler) removeOrphanProtection(ctx context.Context, secret *corev1.Secret) error {
	after := secret.DeepCopy()
	controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection)
	patch := client.MergeFromWithOptions(secret, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); client.IgnoreNotFound(err) != nil {
		err = kubeclient.FailedWrite(kubeclient.VerbPatch, err, secret)
		events.CountFailedWrite(err)
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
	r.expected.expect(after, after)
	done.key = after
	return nil
}
