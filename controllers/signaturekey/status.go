// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/status"
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
	case done.fenced && applyErr == nil:
		return ctrl.Result{RequeueAfter: keyplan.StepInterval}, nil
	}
	if o.Refusal = r.recordWrites(o.Key, applyErr); applyErr != nil {
		plan = r.planOfFailure(o, plan, done)
	}
	if err := r.writeStatus(ctx, done.key, o.Key.Status, plan.Status); kubeclient.IsStale(err) && r.refusedStatuses.Persisting(o.Key).IsZero() {
		return ctrl.Result{RequeueAfter: kubeclient.StaleDelay}, nil
	} else if err != nil {
		// Alone: joined to an error that is not to be retried, it would not be
		// retried either.
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.emitEvents(ctx, o, plan)
	switch {
	case kubeclient.IsStale(applyErr) && !o.Refusal.Persists(r.Clock.Now()):
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

// recordWrites records whether the plan was carried out, and returns the write that
// fails; zero if none does.
func (r *Reconciler) recordWrites(key *signetv1alpha1.SignatureKey, err error) status.Refusal {
	if err == nil {
		r.refusedWrites.Forget(client.ObjectKeyFromObject(key))
		return status.Refusal{}
	}
	refusal := r.refusedWrites.Record(key, err)
	events.CountFailedWrite(err, refusal.Persists(r.Clock.Now()))
	if !refusal.IsZero() {
		return refusal
	}
	return r.refusedWrites.Persisting(key)
}

// planOfFailure is what to report of a plan that was not carried out to the end.
func (r *Reconciler) planOfFailure(o keyplan.Observation, plan keyplan.Plan, done outcome) keyplan.Plan {
	if !done.materialWritten {
		return keyplan.Unapplied(o, r.Clock.Now())
	}
	return keyplan.PartlyApplied(o, plan, r.Clock.Now())
}

// writeStatus writes the status if it differs from the one that was observed, and if
// the key is still as it was observed. A failure that persists is reported by an event,
// because the status cannot.
func (r *Reconciler) writeStatus(ctx context.Context, key *signetv1alpha1.SignatureKey, observed, planned signetv1alpha1.SignatureKeyStatus) error {
	if equality.Semantic.DeepEqual(observed, planned) {
		r.refusedStatuses.Forget(client.ObjectKeyFromObject(key))
		return nil
	}
	after := key.DeepCopy()
	after.Status = planned
	if err := r.patchKeyStatus(ctx, key, after); err != nil {
		r.recorder.RecordFailedWrite(ctx, key, r.refusedStatuses, err)
		return err
	}
	r.refusedStatuses.Forget(client.ObjectKeyFromObject(key))
	return nil
}

// patchKeyStatus writes the differences in the key's status, if the key is still as it
// was observed.
func (r *Reconciler) patchKeyStatus(ctx context.Context, before, after *signetv1alpha1.SignatureKey) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := r.Client.Status().Patch(ctx, after, patch)
	r.unsettled.Record(before, err)
	if err != nil {
		return kubeclient.FailedStatusWrite(kubeclient.VerbPatch, err, before)
	}
	r.Written.Store(after)
	return nil
}

func (r *Reconciler) emitEvents(ctx context.Context, o keyplan.Observation, plan keyplan.Plan) {
	r.recorder.Record(ctx, o.Key, plan.Events...)
	events.ObserveTimeToReady(o.Key, o.Key.Status.Conditions, plan.Status.Conditions, r.Clock.Now())
}
