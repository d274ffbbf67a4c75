// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const (
	bothSupplied  = "Both components are supplied, and only generated components are renewed. Change them in the source, or omit one."
	anotherOne    = " The trigger has changed since then, so another rotation follows."
	stillAccepted = "Version active-id signs. Version previous-id is still accepted until 2026-11-23T12:15:00Z."
)

const (
	drawnMessage   = "Version active-id signs. Version 04040404040404040404040404040404 is also accepted and starts signing at 2026-11-23T12:02:00Z."
	waitsMessage   = "Version active-id signs. Version next-id is also accepted and starts signing at 2026-11-23T12:01:00Z."
	renamedMessage = "Version 01010101010101010101010101010101 signs. Version 02020202020202020202020202020202 is also accepted and starts signing at 2026-11-23T12:02:00Z."
	switchMessage  = "Version next-id signs. Version active-id is still accepted until 2026-11-23T12:15:00Z."
)

var (
	drawnNext = func(s *material.Set) {
		version := drawn()
		version.Activated = time.Time{}
		s.Next = &version
	}
	triggeredNext      = testSet(drawnNext, noting("again", ""))
	waitingSet, dueSet = testSet(staged(testNow.Add(-time.Minute))), testSet(staged(testNow.Add(-stage)))
	switchedSet        = testSet(func(s *material.Set) {
		s.Previous = &material.Version{ID: "active-id", Key: s.Active.Key, Secret: s.Active.Secret, Created: earlier, Activated: earlier, Retires: testNow.Add(retire)}
		s.Active = material.Version{ID: "next-id", Key: s.Active.Key, Secret: material.Bytes(otherSecret), Created: testNow.Add(-stage), Activated: testNow}
	})
	retiringSet, overSet = testSet(retiring(testNow)), testSet(retiring(testNow.Add(-retire)))
	droppedSet           = testSet(func(s *material.Set) { s.Active.Activated = testNow.Add(-retire) })
	replacedSet          = testSet(noting("", "leak"), func(s *material.Set) { s.Active, s.Salt = drawn(), drawnSalt(5) })
	sameSource           = gen.SourceSecret("own", map[string]string{"key": identifier, "secret": secretValue}, gen.InNamespace("shop"))
	changedSource        = gen.SourceSecret("own", map[string]string{"secret": sourceSecret}, gen.InNamespace("shop"))
	suppliedNext         = testSet(func(s *material.Set) {
		s.Next = &material.Version{ID: drawnID(1), Key: s.Active.Key, Secret: material.Bytes(sourceSecret), Created: testNow}
	})
	modifiedNext = gen.SecretFunc(func(s *corev1.Secret) { s.Data["next.secret"] = []byte(sourceSecret) })
	renamedNext  = testSet(func(s *material.Set) {
		s.Active.ID, s.Active.Created, s.Active.Activated = drawnID(1), testNow, testNow
		s.Next = &material.Version{ID: drawnID(2), Key: s.Active.Key, Secret: material.Bytes(sourceSecret), Created: testNow}
	})
	ninetyDays = gen.WithRotation(signetv1alpha1.Rotation{IntervalDays: ptr.To[int32](90)})
	oldSet     = testSet(func(s *material.Set) {
		s.Active.Created, s.Active.Activated = testNow.Add(-90*day), testNow.Add(-90*day)
	})
	scheduledSet = testSet(func(s *material.Set) {
		*s = *oldSet.Clone()
		drawnNext(s)
	})
	rotatingKey = func(s *material.Set, reason, message string, options ...gen.KeyOption) *signetv1alpha1.SignatureKey {
		return testKey(append([]gen.KeyOption{withStatus(readyWith(s), rotatingAs(earlier, reason, message))}, options...)...)
	}
	secretOf = func(s *material.Set) *corev1.Secret { return testSecret(testKey(), s) }
)

var rotationCases = map[string]planCase{
	"a ready key does nothing": {
		observation: Observation{Key: readyKey(activeSet), Secret: secretOf(activeSet), Watch: watched(activeSet, time.Hour)},
		want:        Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet))},
	},
	"a new trigger stages a version": {
		observation: Observation{Key: readyKey(activeSet, gen.WithTrigger("again")), Secret: secretOf(activeSet), Watch: watched(activeSet, time.Hour)},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(secretOf(activeSet), secretOf(triggeredNext)),
			Status:       statusOf(readyWith(triggeredNext), rotatingAs(testNow, signetv1alpha1.ReasonStaged, drawnMessage)),
			Events:       []event{normal(signetv1alpha1.ReasonStaged, drawnMessage)},
			RequeueAfter: stage,
		},
	},
	"a schedule is waited for": {
		observation: Observation{Key: readyKey(activeSet, ninetyDays), Secret: secretOf(activeSet), Watch: watched(activeSet, time.Hour)},
		want: Plan{
			RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet), nextRotation(earlier.Add(90*day))),
			RequeueAfter: 90*day - time.Hour,
		},
	},
	"a schedule stages a version when it is due": {
		observation: Observation{Key: readyKey(oldSet, ninetyDays), Secret: secretOf(oldSet), Watch: watched(oldSet, time.Hour)},
		want: Plan{
			RotationState: oldSet.RotationState(), Secret: write(secretOf(oldSet), secretOf(scheduledSet)),
			Status:       statusOf(readyWith(scheduledSet), rotatingAs(testNow, signetv1alpha1.ReasonStaged, drawnMessage)),
			Events:       []event{normal(signetv1alpha1.ReasonStaged, drawnMessage)},
			RequeueAfter: stage,
		},
	},
	"a staged version waits for its time": {
		observation: Observation{
			Key: rotatingKey(waitingSet, signetv1alpha1.ReasonStaged, waitsMessage), Secret: secretOf(waitingSet), Watch: watched(waitingSet, time.Minute),
		},
		want: Plan{
			RotationState: waitingSet.RotationState(), RequeueAfter: time.Minute,
			Status: statusOf(readyWith(waitingSet), rotatingAs(earlier, signetv1alpha1.ReasonStaged, waitsMessage)),
		},
	},
	"a staged version is due before a missing source is reported": {
		observation: Observation{
			Key: rotatingKey(waitingSet, signetv1alpha1.ReasonStaged, waitsMessage, gen.WithSource("own")), Secret: secretOf(waitingSet),
			Watch: watched(waitingSet, time.Minute),
		},
		want: Plan{
			RotationState: waitingSet.RotationState(), RequeueAfter: time.Minute,
			Status: statusOf(readyWith(waitingSet), rotatingAs(earlier, signetv1alpha1.ReasonStaged, waitsMessage),
				waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource)),
			Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)},
		},
	},
	"a staged version that this process has not watched waits for the whole stage": {
		observation: Observation{Key: rotatingKey(dueSet, signetv1alpha1.ReasonStaged, "staged"), Secret: secretOf(dueSet), Watch: watched(activeSet, time.Hour)},
		want: Plan{
			RotationState: dueSet.RotationState(), RequeueAfter: stage,
			Status: statusOf(readyWith(dueSet), rotatingAs(earlier, signetv1alpha1.ReasonStaged,
				"Version active-id signs. Version next-id is also accepted and starts signing at 2026-11-23T12:00:00Z.")),
		},
	},
	"a staged version becomes active when it is due": {
		observation: Observation{Key: rotatingKey(dueSet, signetv1alpha1.ReasonStaged, "staged"), Secret: secretOf(dueSet), Watch: watched(dueSet, stage)},
		want: Plan{
			RotationState: dueSet.RotationState(), Secret: write(secretOf(dueSet), secretOf(switchedSet)),
			Status:       statusOf(readyWith(switchedSet), rotatingAs(earlier, signetv1alpha1.ReasonRetiring, switchMessage)),
			Events:       []event{normal(signetv1alpha1.ReasonRetiring, switchMessage)},
			RequeueAfter: retire,
		},
	},
	"a staged version becomes active although the source is gone": {
		observation: Observation{
			Key: rotatingKey(dueSet, signetv1alpha1.ReasonStaged, "staged", gen.WithSource("own")), Secret: secretOf(dueSet), Watch: watched(dueSet, stage),
		},
		want: Plan{
			RotationState: dueSet.RotationState(), Secret: write(secretOf(dueSet), secretOf(switchedSet)),
			Status: statusOf(readyWith(switchedSet), rotatingAs(earlier, signetv1alpha1.ReasonRetiring, switchMessage),
				waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource)),
			Events: []event{
				normal(signetv1alpha1.ReasonSourceNotFound, noSource), normal(signetv1alpha1.ReasonRetiring, switchMessage),
			},
			RequeueAfter: fiveMinutes,
		},
	},
	"a previous version is accepted until its time": {
		observation: Observation{
			Key: rotatingKey(retiringSet, signetv1alpha1.ReasonRetiring, stillAccepted), Secret: secretOf(retiringSet), Watch: watched(retiringSet, 0),
		},
		want: Plan{
			RotationState: retiringSet.RotationState(), RequeueAfter: retire,
			Status: statusOf(readyWith(retiringSet), rotatingAs(earlier, signetv1alpha1.ReasonRetiring, stillAccepted)),
		},
	},
	"a trigger during a rotation is followed after it": {
		observation: Observation{
			Key:    rotatingKey(retiringSet, signetv1alpha1.ReasonRetiring, stillAccepted, gen.WithTrigger("again")),
			Secret: secretOf(retiringSet), Watch: watched(retiringSet, 0),
		},
		want: Plan{
			RotationState: retiringSet.RotationState(), RequeueAfter: retire,
			Status: statusOf(readyWith(retiringSet), rotatingAs(earlier, signetv1alpha1.ReasonRetiring, stillAccepted+anotherOne)),
		},
	},
	"a trigger while a version is staged is followed after it": {
		observation: Observation{
			Key:    rotatingKey(waitingSet, signetv1alpha1.ReasonStaged, waitsMessage, gen.WithTrigger("again")),
			Secret: secretOf(waitingSet), Watch: watched(waitingSet, time.Minute),
		},
		want: Plan{
			RotationState: waitingSet.RotationState(), RequeueAfter: time.Minute,
			Status: statusOf(readyWith(waitingSet), rotatingAs(earlier, signetv1alpha1.ReasonStaged, waitsMessage+anotherOne)),
		},
	},
	"a previous version is dropped when its time has come": {
		observation: Observation{
			Key: rotatingKey(overSet, signetv1alpha1.ReasonRetiring, "retiring"), Secret: secretOf(overSet), Watch: watched(overSet, retire),
		},
		want: Plan{
			RotationState: overSet.RotationState(), Secret: write(secretOf(overSet), secretOf(droppedSet)),
			Status:       statusOf(readyWith(droppedSet), settled(testNow, "active-id")),
			Events:       []event{normal(signetv1alpha1.ReasonSettled, "Version active-id signs. No other version is accepted.")},
			RequeueAfter: StepInterval,
		},
	},
	"a new revoke trigger replaces everything at once": {
		observation: Observation{
			Key:    rotatingKey(waitingSet, signetv1alpha1.ReasonStaged, waitsMessage, gen.WithRotation(signetv1alpha1.Rotation{RevokeTrigger: "leak"})),
			Secret: secretOf(waitingSet), Watch: watched(waitingSet, time.Minute),
		},
		want: Plan{
			RotationState: waitingSet.RotationState(), Secret: write(secretOf(waitingSet), secretOf(replacedSet)),
			Status: statusOf(readyWith(replacedSet), settled(testNow, drawnID(4))),
			Events: []event{
				warning(eventReplaced, "A new spec.rotation.revokeTrigger has replaced the material. Version 04040404040404040404040404040404 signs, "+
					"and no other version is accepted. Requests may fail until backends have read it."),
				normal(signetv1alpha1.ReasonSettled, "Version 04040404040404040404040404040404 signs. No other version is accepted."),
			},
			RequeueAfter: StepInterval,
		},
	},
	"a trigger has nothing to renew if both components are supplied": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithSource("own"), gen.WithTrigger("again")), Secret: secretOf(activeSet), Source: sameSource,
		},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(secretOf(activeSet), secretOf(testSet(noting("again", "")))),
			Status:       statusOf(readyWith(testSet(noting("again", ""))), notRotating(earlier, signetv1alpha1.ReasonNothingToRotate, bothSupplied)),
			Events:       []event{warning(signetv1alpha1.ReasonNothingToRotate, bothSupplied)},
			RequeueAfter: StepInterval,
		},
	},
	"a schedule has nothing to renew if both components are supplied": {
		observation: Observation{Key: readyKey(activeSet, gen.WithSource("own"), ninetyDays), Secret: secretOf(activeSet), Source: sameSource},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Status:        statusOf(readyWith(activeSet), notRotating(earlier, signetv1alpha1.ReasonNothingToRotate, bothSupplied)),
		},
	},
	"a supplied component that changes is staged": {
		observation: Observation{Key: readyKey(activeSet, gen.WithSource("own")), Secret: secretOf(activeSet), Source: changedSource},
		want: func() Plan {
			const message = "Version active-id signs. Version 01010101010101010101010101010101 is also accepted and starts signing at 2026-11-23T12:02:00Z."
			return Plan{
				RotationState: activeSet.RotationState(), Secret: write(secretOf(activeSet), secretOf(suppliedNext)), RequeueAfter: stage,
				Status: statusOf(readyWith(suppliedNext), rotatingAs(testNow, signetv1alpha1.ReasonStaged, message)),
				Events: []event{normal(signetv1alpha1.ReasonStaged, message)},
			}
		}(),
	},
	"a supplied component that changes again takes the place of the staged version": {
		observation: Observation{
			Key: rotatingKey(dueSet, signetv1alpha1.ReasonStaged, "staged", gen.WithSource("own")), Secret: secretOf(dueSet), Source: changedSource,
			Watch: watched(dueSet, stage),
		},
		want: Plan{
			RotationState: dueSet.RotationState(), Secret: write(secretOf(dueSet), secretOf(suppliedNext)), RequeueAfter: stage,
			Status: statusOf(readyWith(suppliedNext), rotatingAs(earlier, signetv1alpha1.ReasonStaged,
				"Version active-id signs. Version 01010101010101010101010101010101 is also accepted and starts signing at 2026-11-23T12:02:00Z.")),
			Events: []event{normal(signetv1alpha1.ReasonStaged,
				"The supplied material has changed again. Version 01010101010101010101010101010101 is staged instead of version next-id.")},
		},
	},
	"a component that is no longer supplied keeps its bytes": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithSource("own")), Secret: secretOf(activeSet),
			Source: gen.SourceSecret("own", map[string]string{"key": identifier}, gen.InNamespace("shop")),
		},
		want: Plan{RotationState: activeSet.RotationState(), Status: statusOf(readyWith(activeSet))},
	},
	"a rotation continues in a protected Secret that is being deleted": {
		observation: Observation{
			Key:    rotatingKey(dueSet, signetv1alpha1.ReasonStaged, "staged", isProtected),
			Secret: testSecret(testKey(), dueSet, isProtected, deletedBefore), Watch: watched(dueSet, stage),
		},
		want: Plan{
			RotationState: dueSet.RotationState(), RequeueAfter: retire,
			Secret: write(testSecret(testKey(), dueSet, isProtected, deletedBefore), testSecret(testKey(), switchedSet, isProtected, deletedBefore)),
			Status: statusOf(readyWith(switchedSet), rotatingAs(earlier, signetv1alpha1.ReasonRetiring, switchMessage),
				readyAs(earlier, signetv1alpha1.ReasonSecretTerminating, secretProtected)),
			Events: []event{
				normal(signetv1alpha1.ReasonSecretTerminating, secretProtected), normal(signetv1alpha1.ReasonRetiring, switchMessage),
			},
		},
	},
	"a next version that another client has changed is staged for the whole stage": {
		observation: Observation{
			Key: rotatingKey(dueSet, signetv1alpha1.ReasonStaged, "staged"), Secret: testSecret(testKey(), dueSet, modifiedNext),
			Watch: watched(dueSet, stage),
		},
		want: Plan{
			Secret:       write(testSecret(testKey(), dueSet, modifiedNext), secretOf(renamedNext)),
			Status:       statusOf(readyWith(renamedNext), rotatingAs(earlier, signetv1alpha1.ReasonStaged, renamedMessage)),
			Events:       []event{warning(eventMaterialModified, modifiedMessage)},
			RequeueAfter: StepInterval,
		},
	},
	"a supplied component that changes back calls the rotation off": {
		observation: Observation{
			Key: rotatingKey(dueSet, signetv1alpha1.ReasonStaged, "staged", gen.WithSource("own")), Secret: secretOf(dueSet), Source: sameSource,
			Watch: watched(dueSet, stage),
		},
		want: Plan{
			RotationState: dueSet.RotationState(), Secret: write(secretOf(dueSet), secretOf(activeSet)),
			Status:       statusOf(readyWith(activeSet), settled(testNow, "active-id")),
			Events:       []event{normal(signetv1alpha1.ReasonSettled, "Version active-id signs. No other version is accepted.")},
			RequeueAfter: StepInterval,
		},
	},
}
