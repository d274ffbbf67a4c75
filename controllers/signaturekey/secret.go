package signaturekey

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// relied says that bindings rely on material that has been made: it must not be
// replaced without consent. A finalizer was put there before the first grant.
func (run *keyRun) relied() bool {
	return run.held || (len(run.users) > 0 && run.keyHeld())
}

// inspect finds the managed Secret and the material in it.
func (r *Reconciler) inspect(ctx context.Context, run *keyRun) error {
	if run.secret != nil {
		return r.assess(run)
	}
	run.hide()
	if !run.relied() {
		return nil
	}
	if run.consents() {
		run.consented = true
		return nil
	}
	if err := r.search(ctx, run); err != nil || run.settled || run.secret != nil {
		return err
	}
	lost := status.Stalled(signetv1alpha1.ReasonSecretLost, lostSecret(run.key))
	r.liveReads.store(run.key, lost)
	run.again = liveReadInterval
	run.lose(lost.Message)
	return nil
}

// ensureAbsent is asked before anything is generated: it settles the run if
// there is something in the way, and finds what the cache does not have.
func (r *Reconciler) ensureAbsent(ctx context.Context, run *keyRun) error {
	switch {
	case !run.verdict.IsZero() && run.consented:
		run.verdict = status.Stalled(signetv1alpha1.ReasonSecretLost,
			"New material may be made in place of the lost one, but cannot. "+run.verdict.Message)
		run.settled = true
	case !run.verdict.IsZero():
		run.settled = true
	case run.terminating():
		run.say(status.Stalled(signetv1alpha1.ReasonKeyTerminating, "The key is being deleted: no material is made for it any more."))
		run.settle()
	case run.namespaceTerminating:
		run.waitForNamespace()
	case run.secret == nil:
		return r.search(ctx, run)
	}
	return nil
}

// search asks the API server for a managed Secret that the cache does not have.
// An answer stands for a while, if the key has not changed.
func (r *Reconciler) search(ctx context.Context, run *keyRun) error {
	if answer, left := r.liveReads.lookup(run.key); answer.Reason == signetv1alpha1.ReasonSecretOwnedByOther {
		run.again = left
		run.say(answer)
		run.settle()
		return nil
	} else if answer.Reason == signetv1alpha1.ReasonSecretLost && run.relied() {
		run.again = left
		run.lose(answer.Message)
		return nil
	}
	secret, err := r.liveSecret(ctx, run.key)
	switch {
	case err != nil || secret == nil:
		return err
	case !material.IsOwnedBy(secret, run.key) || material.OtherController(secret, run.key) != nil:
		other := status.Stalled(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("Secret", secret, secret.Type))
		r.liveReads.store(run.key, other)
		run.again = liveReadInterval
		run.say(other)
		run.settle()
		return nil
	}
	// Ours: the cache is behind, or somebody has taken the label off.
	run.secret, run.owned = secret, true
	return r.assess(run)
}

// liveSecret reads the Secret of the managed name past the cache; nil if there
// is none.
func (r *Reconciler) liveSecret(ctx context.Context, key *signetv1alpha1.SignatureKey) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	name := types.NamespacedName{Namespace: key.Namespace, Name: key.EffectiveTargetName()}
	err := r.Live.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	return secret, nil
}

// writeSecret brings the managed Secret into line, in one write.
func (r *Reconciler) writeSecret(ctx context.Context, run *keyRun) error {
	desired := desiredSecret(run)
	switch {
	case run.secret == nil:
		if err := r.Client.Create(ctx, desired); namespaceRefused(err) {
			run.waitForNamespace()
			return nil
		} else if err != nil {
			return fmt.Errorf("create Secret %s: %w", client.ObjectKeyFromObject(desired), err)
		}
		r.expected.expect(run.key, desired)
		run.secret, run.owned = desired, true
	case !equality.Semantic.DeepEqual(run.secret, desired):
		if err := r.patchSecret(ctx, run, run.secret, desired); err != nil {
			return err
		}
		run.secret = desired
	}
	if run.change != nil {
		run.news = append(run.news, *run.change)
	}
	r.rotations.observe(run.key, run.next.RotationState()) // from its acknowledgement on
	run.show(run.next)
	return nil
}

// desiredSecret is the managed Secret as it is to be. What others have put on
// it beside that stays.
func desiredSecret(run *keyRun) *corev1.Secret {
	desired := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: run.key.Namespace, Name: run.key.EffectiveTargetName()},
		Type:       signetv1alpha1.SecretType,
	}
	if run.secret != nil {
		desired = run.secret.DeepCopy()
	}
	if !run.specBroken {
		keyplan.SetTemplate(desired, run.key.Spec.Target.Template)
	}
	keyplan.SetLabels(desired, run.key)
	keyplan.SetOwner(desired, run.key)
	if run.held && desired.DeletionTimestamp.IsZero() && !run.namespaceTerminating {
		controllerutil.AddFinalizer(desired, signetv1alpha1.FinalizerProtection)
	}
	desired.Data = run.next.Encode()
	return desired
}

// writeLimit is how long a write of a Secret may take. Delays are counted from
// when it was decided on: a write that comes about much later would shorten them.
const writeLimit = 10 * time.Second

// patchSecret writes what differs, if the Secret is still as it was read.
func (r *Reconciler) patchSecret(ctx context.Context, run *keyRun, before, after *corev1.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("write Secret %s: %w", client.ObjectKeyFromObject(before), err)
	}
	r.expected.expect(run.key, after)
	return nil
}

func (run *keyRun) waitForNamespace() {
	run.say(status.Waiting(signetv1alpha1.ReasonNamespaceTerminating, "The namespace is being deleted: nothing can be made in it."))
	run.settle()
}

func ownedByOther(kind string, object client.Object, secretType corev1.SecretType) string {
	return fmt.Sprintf("%s %s is not Signet's (%s): delete or rename it, or create the key with another spec.target.name.",
		kind, object.GetName(), material.DescribeOwner(object, secretType))
}
