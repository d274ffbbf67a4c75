package signaturekey

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/validation"
)

// Reasons of Events about material that come without a condition.
const (
	eventGenerated        = "Generated"
	eventAdopted          = "Adopted"
	eventMaterialApplied  = "MaterialApplied"
	eventMaterialModified = "MaterialModified"
)

// serve keeps the managed Secret as it is to be. Each phase may settle the run.
func (r *Reconciler) serve(ctx context.Context, run *keyRun) error {
	for _, phase := range []keyPhase{
		r.judgeSpec, r.inspect, r.judgeType, r.gather, r.renew,
		r.stagePublic, r.writeSecret, r.trimPublic,
	} {
		if err := phase(ctx, run); err != nil || run.settled {
			return err
		}
	}
	run.say(run.remark)
	run.say(status.Ready(signetv1alpha1.ReasonReady, fmt.Sprintf("The material is in Secret %s.", run.key.EffectiveTargetName())))
	return nil
}

// judgeSpec asks the rules again: a webhook can be down. Material that is there
// already stays in force.
func (r *Reconciler) judgeSpec(_ context.Context, run *keyRun) error {
	if errs := validation.ValidateSignatureKey(run.key); len(errs) > 0 {
		run.specBroken = true
		run.refuse(signetv1alpha1.ReasonInvalidSpec, "Mend the spec: "+validation.Summarize(errs)+".")
	}
	return nil
}

// judgeType closes the gate before keys of type PublicKey that have no material.
func (r *Reconciler) judgeType(_ context.Context, run *keyRun) error {
	if run.key.Spec.Type != signetv1alpha1.KeyTypePublicKey || r.PublicKeyEnabled {
		return nil
	}
	if run.current == nil {
		run.refuse(signetv1alpha1.ReasonTypeNotEnabled,
			"Keys of type PublicKey are not enabled: start the manager with --public-key-enable, or use another type.")
		return nil
	}
	run.note(status.Ready(signetv1alpha1.ReasonTypeNotEnabled,
		"The key goes on signing, but new keys of type PublicKey are not enabled: "+
			"start the manager with --public-key-enable, or move the bindings to a key of another type."))
	return nil
}

// renew decides what the material is to be.
func (r *Reconciler) renew(ctx context.Context, run *keyRun) error {
	if run.current == nil {
		if err := r.ensureAbsent(ctx, run); err != nil || run.settled {
			return err
		}
	}
	switch {
	case run.current == nil:
		return r.makeFirst(run)
	case run.next == nil:
		run.next = run.current
	}
	return r.rotate(run)
}

// makeFirst makes the first material of a key, or with consent new material in
// place of lost one.
func (r *Reconciler) makeFirst(run *keyRun) error {
	set, err := material.First(run.key, *run.supplied, r.Clock.Now(), r.Rand)
	if err != nil {
		return fmt.Errorf("make material: %w", err)
	}
	run.next = set
	reason, how := eventGenerated, "Made new material"
	if run.supplied.Complete() {
		reason, how = eventMaterialApplied, "Took the supplied material"
	}
	run.change = &status.Event{corev1.EventTypeNormal, reason, fmt.Sprintf(
		"%s: Secret %s has version %s.", how, run.key.EffectiveTargetName(), set.Active.ID)}
	return nil
}

// assess judges the Secret under the managed Secret's name.
func (r *Reconciler) assess(run *keyRun) error {
	if !run.owned || material.OtherController(run.secret, run.key) != nil {
		run.refuse(signetv1alpha1.ReasonSecretOwnedByOther, ownedByOther("Secret", run.secret, run.secret.Type))
		run.settle()
		return nil
	}
	set, err := material.Decode(run.secret.Data)
	modified := errors.Is(err, material.ErrModified)
	other := set != nil && (set.Type != run.key.Spec.Type || set.Algorithm != run.key.Spec.Algorithm)
	switch {
	case other && !modified:
		run.refuse(signetv1alpha1.ReasonSecretOwnedByOther, fmt.Sprintf(
			"Secret %s holds material of a key of another type (%s): delete it, or create the key with another spec.target.name.",
			run.secret.Name, set.Type))
		run.settle()
		return nil
	case other, err != nil && !modified:
		run.lose(lostBytes(run.key))
		return nil
	case modified:
		return r.takeModified(run, set)
	}
	run.current = set
	run.show(set)
	if run.firstSeen() || run.toldLost() {
		run.adopt(set, r.Clock.Now())
	}
	run.noteDeletion()
	return nil
}

// takeModified gives bytes that somebody else has written a version of their
// own: backends that follow the Secret have them already.
func (r *Reconciler) takeModified(run *keyRun, set *material.Set) error {
	renamed, err := set.WithNewIDs(r.Clock.Now(), r.Rand)
	if err != nil {
		return fmt.Errorf("take modified material: %w", err)
	}
	run.current = renamed
	if run.firstSeen() || run.toldLost() {
		run.next = renamed.WithSpecOf(run.key)
	}
	run.change = &status.Event{corev1.EventTypeWarning, eventMaterialModified, fmt.Sprintf(
		"Somebody has changed the material in Secret %s: what is there now is version %s. Change the source or use spec.rotation instead.",
		run.secret.Name, renamed.Active.ID)}
	run.noteDeletion()
	return nil
}

// firstSeen says that the key has no status yet, but for the -1 that its schema
// puts there.
func (run *keyRun) firstSeen() bool { return run.key.Status.ObservedGeneration <= 0 }

// adopt takes over material that was there before the key was first seen, or
// that has come back. What the spec's triggers say by then rotates nothing.
func (run *keyRun) adopt(set *material.Set, now time.Time) {
	run.next = set.AdoptedBy(run.key, now)
	for _, reference := range run.secret.OwnerReferences {
		if reference.UID == run.key.UID {
			// It is our own, made before a crash.
			return
		}
	}
	run.tell(corev1.EventTypeNormal, eventAdopted, fmt.Sprintf(
		"Secret %s was there already: its version %s is in force.", run.secret.Name, set.Active.ID))
}

// noteDeletion tells what becomes of a managed Secret that was deleted under
// its key: the finalizer holds it. Without one it cannot be held any more,
// since the API server lets none be added then.
func (run *keyRun) noteDeletion() {
	name := run.secret.Name
	switch {
	case run.secret.DeletionTimestamp.IsZero():
	case controllerutil.ContainsFinalizer(run.secret, signetv1alpha1.FinalizerProtection):
		run.note(status.Ready(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
			"Secret %s has been deleted: it is held, goes on serving, and goes with the key. "+
				"To be rid of it, move the bindings to another key and delete this one.", name)))
	case run.relied():
		run.say(status.Stalled(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
			"Secret %s is being deleted and cannot be held any more: save its content now and restore it when it is gone.", name)))
	default:
		run.current, run.next = nil, nil
		run.say(status.Waiting(signetv1alpha1.ReasonSecretTerminating, fmt.Sprintf(
			"Secret %s is being deleted: new material is made when it is gone.", name)))
		run.settle()
	}
}

// note keeps a remark for the case that all is well.
func (run *keyRun) note(v status.Readiness) {
	if run.remark.IsZero() {
		run.remark = v
	}
}

// show tells in the status what material is in force.
func (run *keyRun) show(set *material.Set) {
	run.shown = set
	run.status.Identifier = ""
	if set.Type == signetv1alpha1.KeyTypeHMAC || set.Type == signetv1alpha1.KeyTypeBasic {
		run.status.Identifier = string(set.Active.Key)
	}
	run.status.KeyID = set.Active.ID
	run.status.Versions = set.Versions()
	run.status.LastRotationTime = run.status.Versions[0].Activated
	run.status.ObservedTrigger, run.status.ObservedRevokeTrigger = set.Trigger, set.RevokeTrigger
}

// hide tells in the status that there is no material to sign with.
func (run *keyRun) hide() {
	run.shown = nil
	run.status.Identifier, run.status.KeyID = "", ""
	run.status.Versions, run.status.LastRotationTime, run.status.NextRotationTime = nil, nil, nil
}

// toldLost says that the status has told of the loss: only then is a change of
// the trigger a consent.
func (run *keyRun) toldLost() bool {
	condition := meta.FindStatusCondition(run.key.Status.Conditions, signetv1alpha1.ConditionReady)
	return condition != nil && condition.Reason == signetv1alpha1.ReasonSecretLost
}

// consents says that the spec allows new material in place of lost one.
func (run *keyRun) consents() bool {
	trigger := run.key.Trigger()
	return run.toldLost() && trigger != "" && trigger != run.key.Status.ObservedTrigger && !run.terminating()
}

// lose settles a run without material, unless the spec consents to make new.
// The trigger that is there when the loss is first told is no consent.
func (run *keyRun) lose(message string) {
	if run.consents() {
		run.consented = true
		run.hide()
		return
	}
	if !run.toldLost() {
		run.status.ObservedTrigger, run.status.ObservedRevokeTrigger = run.key.Trigger(), run.key.RevokeTrigger()
	}
	// Whatever else is wrong, this comes first.
	run.verdict, run.refused = status.Stalled(signetv1alpha1.ReasonSecretLost, message), false
	run.settle()
}

func lostBytes(key *signetv1alpha1.SignatureKey) string {
	return fmt.Sprintf("Secret %s holds no usable material: restore it from a backup, or %s.", key.EffectiveTargetName(), renewal)
}

func lostSecret(key *signetv1alpha1.SignatureKey) string {
	return fmt.Sprintf("Secret %s is gone and bindings use the key: restore it from a backup, or %s.", key.EffectiveTargetName(), renewal)
}

const renewal = "set spec.rotation.trigger to another value to have new material made"
