// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// writeLimit is how long a write of a Secret may take. Delays are counted from
// when it was decided on: a write that takes effect much later would shorten
// them.
const writeLimit = 10 * time.Second

// outcome is how far a plan has been carried out.
type outcome struct {
	// key, secret and public are as observed, or as the last write was
	// acknowledged.
	key    *signetv1alpha1.SignatureKey
	secret *corev1.Secret
	public *corev1.ConfigMap
	// materialWritten reports whether the Secret is as planned.
	materialWritten bool
	// nameTaken reports whether a create has found an object that the caches do not
	// show: what it is, a live read of the next reconcile finds out.
	nameTaken bool
	// fenced reports whether no write has been made but those that outdate late ones.
	fenced bool
	// gone reports whether the key no longer exists, and has no status to write.
	gone bool
}

// observedSecrets are the versions of the managed Secret whose data must not appear in
// the error of a write.
func (o *outcome) observedSecrets() []client.Object {
	if o.secret == nil {
		return nil
	}
	return []client.Object{o.secret}
}

// planAndApply computes the plan and carries it out.
func (r *Reconciler) planAndApply(ctx context.Context, o keyplan.Observation) (keyplan.Plan, outcome, error) {
	plan, err := keyplan.Compute(o, r.Clock.Now(), r.Rand)
	if err != nil {
		return plan, outcome{key: o.Key}, fmt.Errorf("plan SignatureKey %s: %w", client.ObjectKeyFromObject(o.Key), err)
	}
	if plan.RotationState != "" {
		r.rotations.observe(o.Key, plan.RotationState)
	}
	if !plan.Answer.IsZero() {
		r.liveReads.store(o.Key, plan.Answer)
	}
	done, err := r.apply(ctx, o, plan)
	if plan.Secret != nil && plan.Secret.Observed == nil && done.secret != nil {
		plan.Status.SecretUID = string(done.secret.UID)
	}
	return plan, done, err
}

// apply carries out the plan's writes in order. Each depends on the version that
// was observed, or that the write before it was acknowledged with.
func (r *Reconciler) apply(ctx context.Context, o keyplan.Observation, plan keyplan.Plan) (outcome, error) {
	done := outcome{key: o.Key, secret: o.Secret, public: o.Public}
	if err := r.fence(ctx, o, plan, &done); err != nil || done.fenced {
		return done, err
	}
	if err := r.writePublicBefore(ctx, plan.Public, &done); err != nil {
		return done, err
	}
	if err := r.writeSecret(ctx, plan.Secret, &done); err != nil {
		return done, err
	}
	done.materialWritten = true
	if err := r.writePublicAfter(ctx, plan.Public, &done); err != nil {
		return done, err
	}
	return done, r.applyProtection(ctx, plan, &done)
}

// writePublicBefore writes the public ConfigMap as it is to be before the Secret
// is written.
func (r *Reconciler) writePublicBefore(ctx context.Context, plan *keyplan.ConfigMapPlan, done *outcome) error {
	switch {
	case plan == nil || plan.BeforeSecret == nil:
		return nil
	case plan.Observed != nil:
		return r.patchPublic(ctx, plan.BeforeSecret.DeepCopy(), done)
	}
	public := plan.BeforeSecret.DeepCopy()
	if err := r.Client.Create(ctx, public); err != nil {
		done.nameTaken = apierrors.IsAlreadyExists(err)
		return kubeclient.FailedWrite(kubeclient.VerbCreate, err, public, done.observedSecrets()...)
	}
	r.Written.Store(public)
	done.public = public
	return nil
}

// writePublicAfter writes the data of the public ConfigMap as it is to be after
// the Secret has been written.
func (r *Reconciler) writePublicAfter(ctx context.Context, plan *keyplan.ConfigMapPlan, done *outcome) error {
	if plan == nil || plan.AfterSecret == nil {
		return nil
	}
	after := done.public.DeepCopy()
	after.Data = plan.AfterSecret
	return r.patchPublic(ctx, after, done)
}

// patchPublic writes the differences, if the ConfigMap is still as it was observed
// or last written.
func (r *Reconciler) patchPublic(ctx context.Context, after *corev1.ConfigMap, done *outcome) error {
	patch := client.MergeFromWithOptions(done.public, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); err != nil {
		return kubeclient.FailedWrite(kubeclient.VerbPatch, err, done.public, done.observedSecrets()...)
	}
	r.keepWritten(after)
	done.public = after
	return nil
}

// writeSecret writes the managed Secret. Its rotation is watched from the
// acknowledgment on.
func (r *Reconciler) writeSecret(ctx context.Context, plan *keyplan.SecretPlan, done *outcome) error {
	if plan == nil {
		return nil
	}
	desired := plan.Desired.DeepCopy()
	var err error
	if plan.Observed != nil {
		err = r.patchSecret(ctx, plan.Observed, desired)
	} else {
		err = r.createSecret(ctx, desired, done)
	}
	if err != nil {
		return err
	}
	done.secret = desired
	r.rotations.observe(done.key, plan.RotationState)
	return nil
}

// createSecret creates the managed Secret. Without an acknowledgment it is recorded as
// sent: it may be created later.
func (r *Reconciler) createSecret(ctx context.Context, secret *corev1.Secret, done *outcome) error {
	if err := r.Client.Create(ctx, secret); err != nil {
		done.nameTaken = apierrors.IsAlreadyExists(err)
		if kubeclient.IsUnsettled(err) {
			r.sent.store(done.key, secret)
		}
		return kubeclient.FailedWrite(kubeclient.VerbCreate, err, secret)
	}
	r.Written.Store(secret)
	return nil
}

// patchSecret writes the differences, if the Secret is still as it was observed.
func (r *Reconciler) patchSecret(ctx context.Context, before, after *corev1.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := r.Client.Patch(ctx, after, patch)
	r.unsettled.Record(before, err)
	if err != nil {
		return kubeclient.FailedWrite(kubeclient.VerbPatch, err, after, before)
	}
	r.keepWritten(after)
	return nil
}

// keepWritten keeps the response to the write of a Secret or ConfigMap, unless it has
// ended the object: then no watch may follow that drops it.
func (r *Reconciler) keepWritten(object client.Object) {
	if isGone(object) {
		r.Written.Forget(object)
	} else {
		r.Written.Store(object)
	}
}

// isGone reports whether the object was being deleted when it lost its last finalizer.
func isGone(object client.Object) bool {
	return !object.GetDeletionTimestamp().IsZero() && len(object.GetFinalizers()) == 0
}

// isCreateRefused reports whether the API server has refused to create an object
// because its namespace is being deleted.
func isCreateRefused(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}
