package signaturekey

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

// KeyHolds serializes letting a key go with granting it to a binding.
type KeyHolds interface {
	// Release waits until no decision about the namespace's bindings is under
	// way and keeps others from being made until unlock is called. It notes
	// that the key's finalizers are about to be taken away.
	Release(namespace, key string) (unlock func())
}

// hold puts the key's finalizer back where a binding relies on it, or where it
// is what will let a terminating Secret go. The Secret's own goes first: it is
// part of writing the Secret.
func (r *Reconciler) hold(ctx context.Context, run *keyRun) error {
	needed := run.held || run.secretHeld()
	if !needed || run.namespaceTerminating || run.keyHeld() {
		return nil
	}
	before := run.key.DeepCopy()
	controllerutil.AddFinalizer(run.key, signetv1alpha1.FinalizerProtection)
	return r.patchKey(ctx, run, before)
}

// release takes the finalizers away when no binding uses the key: the Secret's
// first, so that a crash between the two leaves a key that does it again.
func (r *Reconciler) release(ctx context.Context, run *keyRun) error {
	if !run.releasable() {
		return nil
	}
	unlock := r.Holds.Release(run.key.Namespace, run.key.Name)
	defer unlock()
	if !run.namespaceTerminating {
		if used, err := r.usedLive(ctx, run.key); err != nil || used {
			return err
		}
	}
	if err := r.releaseSecret(ctx, run); err != nil {
		return err
	}
	before := run.key.DeepCopy()
	if !controllerutil.RemoveFinalizer(run.key, signetv1alpha1.FinalizerProtection) {
		return nil
	}
	err := r.patchKey(ctx, run, before)
	run.gone = apierrors.IsNotFound(err) || (err == nil && run.terminating() && len(run.key.Finalizers) == 0)
	return client.IgnoreNotFound(err)
}

// releasable says that there are finalizers of ours and that the caches know no
// reason to keep them. A Secret that somebody deleted under a living key is
// kept even if no binding uses it: bytes are not given away on the ground of a
// stray delete.
func (run *keyRun) releasable() bool {
	held := run.keyHeld() || (run.owned && controllerutil.ContainsFinalizer(run.secret, signetv1alpha1.FinalizerProtection))
	switch {
	case !held:
		return false
	case run.namespaceTerminating:
		return true
	case len(run.users) > 0:
		return false
	default:
		return run.terminating() || !run.secretHeld()
	}
}

func (run *keyRun) keyHeld() bool {
	return controllerutil.ContainsFinalizer(run.key, signetv1alpha1.FinalizerProtection)
}

// secretHeld says that the managed Secret is being deleted and our finalizer
// keeps it.
func (run *keyRun) secretHeld() bool {
	return run.owned && !run.secret.DeletionTimestamp.IsZero() &&
		controllerutil.ContainsFinalizer(run.secret, signetv1alpha1.FinalizerProtection)
}

// usedLive asks the API server whether a binding uses the key: the cache may
// not have seen it yet.
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

// releaseSecret takes our finalizer off the managed Secret. One that the cache
// does not have may have lost its label, not its finalizer.
func (r *Reconciler) releaseSecret(ctx context.Context, run *keyRun) error {
	secret := run.secret
	// A cache that lags may not show the finalizer yet that has been put there.
	if secret == nil || !controllerutil.ContainsFinalizer(secret, signetv1alpha1.FinalizerProtection) {
		live, err := r.liveSecret(ctx, run.key)
		if err != nil {
			return err
		}
		secret = live
	}
	if !material.IsOwnedBy(secret, run.key) || !controllerutil.ContainsFinalizer(secret, signetv1alpha1.FinalizerProtection) {
		return nil
	}
	after := secret.DeepCopy()
	controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerProtection)
	return client.IgnoreNotFound(r.patchSecret(ctx, run, secret, after))
}

// patchKey writes what has changed in the key's metadata, if the key is still
// as it was read.
func (r *Reconciler) patchKey(ctx context.Context, run *keyRun, before *signetv1alpha1.SignatureKey) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, run.key, patch); err != nil {
		return fmt.Errorf("write finalizers of SignatureKey %s: %w", client.ObjectKeyFromObject(run.key), err)
	}
	r.expected.expect(run.key, run.key)
	return nil
}
