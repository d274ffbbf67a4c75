// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// notServed is the message of a key in a namespace that Signet leaves.
const notServed = "Signet is leaving the namespace, because its RoleBinding is being deleted. The material stays as it is and is no longer protected. " +
	"To have the key served again, create the RoleBinding."

var (
	errSecretNotReadLive = errors.New("the absence of the managed Secret has not been confirmed by a live read")
	errPublicNotReadLive = errors.New("the absence of the public ConfigMap has not been confirmed by a live read")
	errNotReleasing      = errors.New("the absence of bindings that use the key has not been confirmed while it is Releasing")
)

// planner computes one plan.
type planner struct {
	Observation
	now    time.Time
	random io.Reader

	// specInvalid reports whether the spec breaks a rule: it is not followed.
	specInvalid bool
	// supplied are the components that spec and source supply; nil unless both are
	// valid.
	supplied *material.Supplied
	// ownership is to whom the observed Secret belongs, if the UID on record is gone.
	ownership material.Ownership
	// current is the material in the managed Secret, and next what is to be there;
	// nil if there is none.
	current, next *material.Set
	// modified reports whether another client has changed the data of current, and
	// adopted whether the key has not seen current before, or not for a while.
	modified, adopted bool
	// consented reports whether the spec allows new material in place of lost one.
	consented bool

	// readiness is what the first step with something to report has set, and
	// fallback applies if none has.
	readiness, fallback status.Readiness
	// shown is the material that the status describes; nil for none.
	shown *material.Set
	// change is what a write of the Secret does to the material.
	change *status.Event

	plan Plan
}

// step is a part of the computation. The first one that decides ends it.
type step func(*planner) (decided bool, err error)

// checks classify what has been observed. They use no randomness.
var checks = []step{
	(*planner).validateSpec,
	(*planner).classifySecret,
	(*planner).checkTypeGate,
	(*planner).resolveSource,
	(*planner).mayGenerate,
}

// steps decide what the key's objects are to be.
var steps = append(checks[:len(checks):len(checks)],
	(*planner).planMaterial,
	(*planner).planPublic,
	(*planner).planSecret,
	(*planner).setFinalReady,
)

// Compute returns the plan for a key. It fails if randomness does, and if
// NeedsLiveSecret, NeedsLivePublic or NeedsReleasing was not followed.
func Compute(observation Observation, now time.Time, random io.Reader) (Plan, error) {
	p := newPlanner(observation, now, random)
	switch {
	case p.Leaving:
		p.markStalled(signetv1alpha1.ReasonNotServed, notServed)
	case !p.deletable():
		if _, err := p.run(steps); err != nil {
			return Plan{}, err
		}
	}
	if err := p.planProtection(); err != nil {
		return Plan{}, err
	}
	if p.NamespaceTerminating && p.Secret == nil && p.SecretLive {
		p.plan.Answer = namespaceTerminating()
	}
	p.plan.Status.ObservedGeneration = p.Key.Generation
	return p.withoutNews(p.finish()), nil
}

// withoutNews keeps the status of a key that is about to be deleted with its namespace, if
// it stays Ready: a namespace with thousands of keys costs finalizers only.
func (p *planner) withoutNews(plan Plan) Plan {
	before, ready := &p.Key.Status, signetv1alpha1.ConditionReady
	unchanged := plan.Secret == nil && plan.Public == nil && before.ObservedGeneration == p.Key.Generation &&
		meta.IsStatusConditionTrue(before.Conditions, ready) && meta.IsStatusConditionTrue(plan.Status.Conditions, ready)
	if p.NamespaceTerminating && !p.terminating() && unchanged {
		plan.Status, plan.Events = *before.DeepCopy(), nil
	}
	return plan
}

// NeedsLiveSecret reports whether the plan relies on the absence of the managed
// Secret or of the UID on record, which a cache cannot prove: it may lag, and
// excludes Secrets without Signet's label. In a terminating namespace such a Secret
// must lose its finalizer, too.
func NeedsLiveSecret(observation Observation) bool {
	switch {
	case observation.SecretLive:
		return false
	case observation.releasesAll() && observation.Secret == nil && hasRecord(observation.Key):
		return observation.Answer.Readiness.IsZero()
	case observation.deletable():
		return false
	}
	_, err := newPlanner(observation, time.Time{}, nil).run(checks)
	return errors.Is(err, errSecretNotReadLive)
}

// NeedsLiveKey reports whether the plan relies on the key's being as the cache shows
// it: it would make the key an owner, or the Secret may have been written for another
// key of the name.
func NeedsLiveKey(observation Observation) bool {
	return makesOwner(observation) || maybeOfAnotherKey(observation)
}

// maybeOfAnotherKey reports whether the Secret on record names another UID of the key
// as its owner, or records other triggers than the status. Otherwise another client, a
// backup or a crash has caused that, and the plan repairs it.
func maybeOfAnotherKey(observation Observation) bool {
	secret, key := observation.Secret, observation.Key
	if secret == nil || !material.IsOwnedBy(secret, key) {
		return false
	}
	trigger, revokeTrigger := material.TriggersOf(secret.Data)
	recorded := key.Status.SecretUID != "" && key.Status.KeyID != ""
	return material.OwnedByEarlier(secret, key) ||
		(recorded && (trigger != key.Status.ObservedTrigger || revokeTrigger != key.Status.ObservedRevokeTrigger))
}

// NeedsLivePublic reports whether the plan relies on the absence of the public
// ConfigMap.
func NeedsLivePublic(observation Observation) bool {
	relies := hasRecord(observation.Key) || (observation.NameTaken && !observation.blocked())
	if observation.Key.Spec.Type != signetv1alpha1.KeyTypePublicKey || observation.Public != nil ||
		observation.PublicLive || !relies || observation.deletable() {
		return false
	}
	decided, err := newPlanner(observation, time.Time{}, nil).run(checks)
	return !decided && err == nil
}

// makesOwner reports whether the plan makes the key the owner of an object that
// exists. Perhaps a deletion that orphans the object has just removed that reference,
// and the garbage collector would delete what it must leave.
func makesOwner(observation Observation) bool {
	key := observation.Key
	if !key.DeletionTimestamp.IsZero() || key.EffectiveDeletionPolicy() != signetv1alpha1.DeletionPolicyDelete {
		return false
	}
	return observation.Secret != nil && material.IsOwnedBy(observation.Secret, key) && !refersTo(observation.Secret, key) ||
		observation.Public != nil && material.IsPublicOwnedBy(observation.Public, key) && !refersTo(observation.Public, key)
}

// NeedsReleasing reports whether the plan relies on the absence of bindings that
// use the key: it would remove finalizers, which a grant that the caches do not
// show yet may just have added.
func NeedsReleasing(observation Observation) bool {
	p := newPlanner(observation, time.Time{}, nil)
	return !observation.Releasing && !p.mustRestoreProtection() && (p.mayRemoveProtection() || p.mayReleaseCollected())
}

func newPlanner(observation Observation, now time.Time, random io.Reader) *planner {
	p := &planner{
		Observation: observation, now: now, random: random,
		plan: Plan{Status: *observation.Key.Status.DeepCopy()},
	}
	if p.Secret != nil {
		p.ownership = material.OwnershipOf(p.Secret, p.Key)
	}
	return p
}

// run takes the steps until one decides.
func (p *planner) run(steps []step) (decided bool, err error) {
	for _, step := range steps {
		if decided, err := step(p); decided || err != nil {
			return decided, err
		}
	}
	return false, nil
}

// setReady sets Ready, unless an earlier step has.
func (p *planner) setReady(readiness status.Readiness) {
	if p.readiness.IsZero() {
		p.readiness = readiness
	}
}

// markStalled sets Ready to False until the user follows the message.
// A watch reports that, so that the key is not retried.
func (p *planner) markStalled(reason, message string) {
	if p.readiness.IsZero() {
		p.plan.Terminal = true
	}
	p.setReady(status.Stalled(reason, message))
}

// setFallback sets what Ready is if no step has anything else to report.
func (p *planner) setFallback(readiness status.Readiness) {
	if p.fallback.IsZero() {
		p.fallback = readiness
	}
}

// setFinalReady completes a plan in which nothing is wrong.
func (p *planner) setFinalReady() (bool, error) {
	p.setReady(p.fallback)
	p.setReady(status.Ready(signetv1alpha1.ReasonReady, fmt.Sprintf("The material is in Secret %q.", p.Key.EffectiveTargetName())))
	return true, nil
}

// recordEvent adds an event that is emitted after the status has been written.
func (p *planner) recordEvent(event status.Event) {
	p.plan.Events = append(p.plan.Events, event)
}

// requeueAfter examines the key again after a delay, or earlier; zero is never.
func (p *planner) requeueAfter(delay time.Duration) {
	if delay > 0 && (p.plan.RequeueAfter == 0 || delay < p.plan.RequeueAfter) {
		p.plan.RequeueAfter = delay
	}
}
