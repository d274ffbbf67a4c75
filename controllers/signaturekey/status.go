package signaturekey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/status"
)

// usersShown is how many bindings a status names.
const usersShown = 10

// staleRetry is the delay before a decision that was based on an outdated object
// is repeated, unless a watch event comes first.
const staleRetry = 100 * time.Millisecond

func (run *keyRun) tell(eventType, reason, message string) {
	run.news = append(run.news, status.Event{Type: eventType, Reason: reason, Message: message})
}

// sooner is the earlier of two times to come back; zero is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b > 0 && b < a) {
		return b
	}
	return a
}

// report writes the status once, whatever became of the phases, tells what has
// changed, and says when to come back.
func (r *Reconciler) report(ctx context.Context, run *keyRun, phaseErr error) (ctrl.Result, error) {
	if run.gone {
		return ctrl.Result{}, phaseErr
	}
	now := r.Clock.Now()
	if phaseErr == nil {
		run.status.ObservedGeneration = run.key.Generation
	}
	run.status.DisplayName = run.key.EffectiveDisplayName()
	run.status.SecretName = run.key.EffectiveTargetName()
	again := run.again
	if !run.verdict.IsZero() {
		again = sooner(again, run.verdict.Apply(&run.status.Conditions, run.key.Generation, now))
	}
	run.status.Bindings = bindingsOf(run.users)
	status.SetCondition(&run.status.Conditions, inUse(run), now)
	run.tellRotation(now)

	before := run.key.Status
	changed := !equality.Semantic.DeepEqual(before, run.status)
	if changed {
		if err := r.patchStatus(ctx, run); apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: staleRetry}, nil
		} else if err != nil {
			// Alone: joined to an error that is not to be retried, it would
			// not be retried either.
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	r.announce(ctx, run, before.Conditions)
	events.ObserveTimeToReady(run.key, before.Conditions, run.status.Conditions, now)
	switch {
	case apierrors.IsConflict(phaseErr):
		// Somebody has written what the caches do not show yet.
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	case phaseErr != nil:
		return ctrl.Result{}, phaseErr
	case changed && run.refused:
		return ctrl.Result{}, terminalError(run.verdict)
	default:
		return ctrl.Result{RequeueAfter: again}, nil
	}
}

// terminalError counts a key that waits for somebody to do something; nothing
// is tried again before a watch tells that something has changed.
func terminalError(v status.Readiness) error {
	return reconcile.TerminalError(errors.New(v.Reason))
}

func (r *Reconciler) patchStatus(ctx context.Context, run *keyRun) error {
	before := run.key.DeepCopy()
	after := run.key.DeepCopy()
	after.Status = run.status
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("write status of SignatureKey %s: %w", client.ObjectKeyFromObject(run.key), err)
	}
	r.expected.expect(run.key, after)
	return nil
}

func (r *Reconciler) announce(ctx context.Context, run *keyRun, before []metav1.Condition) {
	for _, news := range run.news {
		r.announcer.Record(ctx, run.key, news.Type, news.Reason, news.Message)
	}
	types := []string{signetv1alpha1.ConditionReady}
	known := meta.FindStatusCondition(before, signetv1alpha1.ConditionInUse) != nil
	if known || len(run.users) > 0 {
		types = append(types, signetv1alpha1.ConditionInUse)
	}
	if rotationTold(before, run.status.Conditions) {
		types = append(types, signetv1alpha1.ConditionRotating)
	}
	r.announcer.Transitions(ctx, run.key, before, run.status.Conditions, types...)
}

// inUse tells which bindings use the key, and that they hold its deletion.
func inUse(run *keyRun) metav1.Condition {
	condition := metav1.Condition{
		Type: signetv1alpha1.ConditionInUse, Status: metav1.ConditionTrue, ObservedGeneration: run.key.Generation,
	}
	users := status.EnumerateNames(run.users, usersShown)
	switch {
	case len(run.users) == 0:
		condition.Status, condition.Reason = metav1.ConditionFalse, signetv1alpha1.ReasonNotBound
		condition.Message = "No binding uses the key."
	case run.terminating():
		condition.Reason = signetv1alpha1.ReasonDeletionBlocked
		condition.Message = fmt.Sprintf("The key is deleted and goes on signing while it is used by %s: %s. "+
			"Delete each, or move it to another key.", bindings(len(run.users)), users)
	default:
		condition.Reason = signetv1alpha1.ReasonBound
		condition.Message = fmt.Sprintf("Used by %s: %s.", bindings(len(run.users)), users)
	}
	return condition
}

func bindings(count int) string {
	if count == 1 {
		return "1 binding"
	}
	return fmt.Sprintf("%d bindings", count)
}

func bindingsOf(users []string) *signetv1alpha1.KeyBindings {
	return &signetv1alpha1.KeyBindings{
		Count: int32(len(users)),
		Names: users[:min(len(users), usersShown)],
	}
}
