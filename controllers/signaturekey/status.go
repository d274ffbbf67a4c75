// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// patchStatus writes the status once, even if the plan was not carried out,
// emits the events, and returns when to come back.
func (r *Reconciler) patchStatus(ctx context.Context, o keyplan.Observation, plan keyplan.Plan, done outcome, applyErr error) (ctrl.Result, error) {
	switch {
	case done.gone:
		return ctrl.Result{}, applyErr
	case done.nameTaken:
		// It may be our own, from a create whose response was lost.
		r.liveReads.storeSecret(o.Key, o.GoneUID, true)
		return ctrl.Result{RequeueAfter: kubeclient.StaleDelay}, nil
	}
	if applyErr != nil {
		plan = r.planOfFailure(o, plan, done)
	}
	if !equality.Semantic.DeepEqual(o.Key.Status, plan.Status) {
		if err := r.writeStatus(ctx, done.key, plan.Status); apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: kubeclient.StaleDelay}, nil
		} else if err != nil {
			// Alone: joined to an error that is not to be retried, it would not be
			// retried either.
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	r.emitEvents(ctx, o, plan)
	switch {
	case apierrors.IsConflict(applyErr):
		// Another client has written what the caches do not show yet.
		return ctrl.Result{RequeueAfter: kubeclient.StaleDelay}, nil
	case applyErr != nil:
		return ctrl.Result{}, applyErr
	case plan.Terminal:
		return events.TerminalResult(o.Key.Status.Conditions, plan.Status.Conditions, plan.RequeueAfter)
	default:
		return ctrl.Result{RequeueAfter: plan.RequeueAfter}, nil
	}
}

// planOfFailure is what to report of a plan that was not carried out to the end.
func (r *Reconciler) planOfFailure(o keyplan.Observation, plan keyplan.Plan, done outcome) keyplan.Plan {
	if !done.materialWritten {
		return keyplan.Unapplied(o, r.Clock.Now())
	}
	return keyplan.PartlyApplied(o, plan)
}

// writeStatus writes the status, if the key is still as it was observed.
func (r *Reconciler) writeStatus(ctx context.Context, key *signetv1alpha1.SignatureKey, status signetv1alpha1.SignatureKeyStatus) error {
	after := key.DeepCopy()
	after.Status = status
	patch := client.MergeFromWithOptions(key, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("write status of SignatureKey %s: %w", client.ObjectKeyFromObject(key), err)
	}
	r.expected.expect(after, after)
	return nil
}

func (r *Reconciler) emitEvents(ctx context.Context, o keyplan.Observation, plan keyplan.Plan) {
	r.recorder.Record(ctx, o.Key, plan.Events...)
	events.ObserveTimeToReady(o.Key, o.Key.Status.Conditions, plan.Status.Conditions, r.Clock.Now())
}
