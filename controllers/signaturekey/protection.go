// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

// restoreProtection adds the key's finalizer. The Secret's is part of the
// desired Secret, which has been written before.
func (r *Reconciler) restoreProtection(ctx context.Context, done *outcome) error {
	after := done.key.DeepCopy()
	controllerutil.AddFinalizer(after, signetv1alpha1.FinalizerProtection)
	return r.patchKey(ctx, after, done)
}

// removeProtection removes the finalizers unless a binding uses the key: the
// Secret's first, so that a crash in between leaves a key that does it again.
//
// This is the one write that depends on reads of its own. Under the lock a live
// list shows every grant that has been written, and a live read the finalizer
// that a grant has added to the Secret, both of which the caches may lack.
func (r *Reconciler) removeProtection(ctx context.Context, o keyplan.Observation, done *outcome) error {
	unlock := r.Claims.Release(o.Key.Namespace, o.Key.Name)
	defer unlock()
	if !o.NamespaceTerminating {
		if used, err := r.usedLive(ctx, o.Key); err != nil || used {
			return err
		}
	}
	if err := r.removeSecretProtection(ctx, done); err != nil {
		return err
	}
	after := done.key.DeepCopy()
	if !controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection) {
		return nil
	}
	err := r.patchKey(ctx, after, done)
	done.gone = apierrors.IsNotFound(err) || (err == nil && !after.DeletionTimestamp.IsZero() && len(after.Finalizers) == 0)
	return client.IgnoreNotFound(err)
}

// usedLive reports whether the API server has a binding that uses the key.
func (r *Reconciler) usedLive(ctx context.Context, key *signetv1alpha1.SignatureKey) (bool, error) {
	var bindings signetv1alpha1.SignatureBindingList
	if err := r.Live.List(ctx, &bindings, client.InNamespace(key.Namespace)); err != nil {
		return false, fmt.Errorf("list SignatureBindings of namespace %s: %w", key.Namespace, err)
	}
	for i := range bindings.Items {
		if slots.UsesKey(&bindings.Items[i], key) {
			return true, nil
		}
	}
	return false, nil
}

// removeSecretProtection removes the managed Secret's finalizer. A Secret that
// the cache does not have may have lost its label but not its finalizer, and one
// that it has may have got the finalizer since.
func (r *Reconciler) removeSecretProtection(ctx context.Context, done *outcome) error {
	secret := done.secret
	if secret == nil || !controllerutil.ContainsFinalizer(secret, signetv1alpha1.FinalizerProtection) {
		live, err := r.findUncachedSecret(ctx, done.key)
		if err != nil {
			return err
		}
		secret = live
	}
	if !material.IsOwnedBy(secret, done.key) || !controllerutil.ContainsFinalizer(secret, signetv1alpha1.FinalizerProtection) {
		return nil
	}
	after := secret.DeepCopy()
	controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection)
	return client.IgnoreNotFound(r.patchSecret(ctx, done.key, secret, after))
}

// removeOrphanProtection removes the finalizer of a deleted Secret without a key
// if its namespace is terminating. It reports whether the Secret is still
// protected.
func (r *Reconciler) removeOrphanProtection(ctx context.Context, secret *corev1.Secret) (protected bool, err error) {
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

// patchKey writes the differences in the key's metadata, if the key is still as
// it was observed.
func (r *Reconciler) patchKey(ctx context.Context, after *signetv1alpha1.SignatureKey, done *outcome) error {
	patch := client.MergeFromWithOptions(done.key, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("write finalizers of SignatureKey %s: %w", client.ObjectKeyFromObject(done.key), err)
	}
	r.expected.expect(after, after)
	done.key = after
	return nil
}
