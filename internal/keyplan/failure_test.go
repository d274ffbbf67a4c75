// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// ofGeneration sets the generations of the status and of its conditions InUse and
// Rotating.
func ofGeneration(status, conditions int64) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		s.ObservedGeneration = status
		for i := range s.Conditions {
			if t := s.Conditions[i].Type; t == signetv1alpha1.ConditionInUse || t == signetv1alpha1.ConditionRotating {
				s.Conditions[i].ObservedGeneration = conditions
			}
		}
	}
}

// ofGeneration2 is a key whose spec has changed since its status was written.
var ofGeneration2 = gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) { key.Generation = 2 })

// readyOfGeneration2 sets the generation of Ready and Stalled.
func readyOfGeneration2(s *signetv1alpha1.SignatureKeyStatus) {
	for i := range s.Conditions {
		if t := s.Conditions[i].Type; t == signetv1alpha1.ConditionReady || t == signetv1alpha1.ConditionStalled {
			s.Conditions[i].ObservedGeneration = 2
		}
	}
}

// The refusal of a write, and what a key with it reports since then.
const refusedMessage = `Secret "orders" cannot be written: the API server refuses it (no).`

func refusedSince(since time.Duration) status.Refusal {
	return status.Refusal{Reason: signetv1alpha1.ReasonWriteRefused, Message: refusedMessage, Since: testNow.Add(-since)}
}

func refused(since time.Time) statusOption {
	return waiting(since, signetv1alpha1.ReasonWriteRefused, refusedMessage)
}

// unappliedCases are observations of plans that were not carried out. Until its writes
// have taken effect, nothing of a plan is reported but what was observed and what is
// wrong with it.
var unappliedCases = map[string]planCase{
	"new material": {
		observation: Observation{Key: testKey(), SecretLive: true},
		want:        Plan{Status: statusOf(notBound(testNow), ofGeneration(-1, 0))},
	},
	"the next step of a rotation": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithTrigger("again"), ofGeneration2), Secret: activeSecret, Watch: watched(activeSet, time.Hour),
		},
		want: Plan{Status: statusOf(readyWith(activeSet))},
	},
	"a rotation that an invalid source stops": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithTrigger("again"), gen.WithSource("own"), ofGeneration2), Secret: activeSecret,
		},
		want: Plan{
			Status: statusOf(readyWith(activeSet), resting(earlier), waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource), readyOfGeneration2),
			Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)}, RequeueAfter: fiveMinutes,
		},
	},
	"an adoption": {
		observation: Observation{Key: testKey(), Secret: testSecret(testKey(), activeSet, retained)},
		want:        Plan{Status: statusOf(notBound(testNow), ofGeneration(-1, 0))},
	},
	"a deletion": {
		observation: Observation{Key: readyKey(activeSet, isProtected, deletedNow, ofGeneration2), Secret: activeSecret},
		want:        Plan{Status: statusOf(readyWith(activeSet))},
	},
	"a refusal that is new": {
		observation: Observation{Key: testKey(), SecretLive: true, Refusal: refusedSince(29 * time.Second)},
		want:        Plan{Status: statusOf(notBound(testNow), ofGeneration(-1, 0))},
	},
	"the first write is refused": {
		observation: Observation{Key: testKey(), SecretLive: true, Refusal: refusedSince(30 * time.Second)},
		want: Plan{
			Status: statusOf(refused(testNow)),
			Events: []event{normal(signetv1alpha1.ReasonWriteRefused, refusedMessage)}, RequeueAfter: fiveMinutes,
		},
	},
	"the first write is still refused": {
		observation: Observation{
			Key: testKey(withStatus(refused(earlier.Add(57 * time.Minute)))), SecretLive: true, Users: []string{"shop"}, Refusal: refusedSince(time.Hour),
		},
		want: Plan{Status: statusOf(refused(earlier.Add(57*time.Minute)), usedOnly("shop")), RequeueAfter: 2 * time.Minute},
	},
	"the first write has been refused for five minutes": {
		observation: Observation{Key: testKey(withStatus(refused(earlier))), SecretLive: true, Refusal: refusedSince(time.Hour)},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonWriteRefused, refusedMessage)),
			Events: []event{warning(signetv1alpha1.ReasonWriteRefused, refusedMessage)},
		},
	},
	"the first write has been failing for five minutes": {
		observation: Observation{Key: testKey(withStatus(failed(earlier))), SecretLive: true, Refusal: failingSince(earlier)},
		want: Plan{
			Status: statusOf(stalled(testNow, signetv1alpha1.ReasonWriteFailed, refusedMessage)),
			Events: []event{warning(signetv1alpha1.ReasonWriteFailed, refusedMessage)},
		},
	},
	"the next step of a rotation fails": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithTrigger("again"), ofGeneration2), Secret: activeSecret, Watch: watched(activeSet, time.Hour),
			Refusal: failingSince(earlier),
		},
		want: Plan{
			Status: statusOf(readyWith(activeSet), failed(testNow), ofGeneration(2, 1), readyOfGeneration2),
			Events: []event{normal(signetv1alpha1.ReasonWriteFailed, refusedMessage)}, RequeueAfter: fiveMinutes,
		},
	},
	"the next step of a rotation is refused": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithTrigger("again"), ofGeneration2), Secret: activeSecret, Watch: watched(activeSet, time.Hour),
			Refusal: refusedSince(time.Minute),
		},
		want: Plan{
			Status: statusOf(readyWith(activeSet), refused(testNow), ofGeneration(2, 1), readyOfGeneration2),
			Events: []event{normal(signetv1alpha1.ReasonWriteRefused, refusedMessage)}, RequeueAfter: fiveMinutes,
		},
	},
	"a write is refused while the source is missing": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithSource("own"), ofGeneration2), Secret: activeSecret, Refusal: refusedSince(time.Minute),
		},
		want: Plan{
			Status: statusOf(readyWith(activeSet), resting(earlier), waiting(testNow, signetv1alpha1.ReasonSourceNotFound, noSource),
				ofGeneration(2, 1), readyOfGeneration2),
			Events: []event{normal(signetv1alpha1.ReasonSourceNotFound, noSource)}, RequeueAfter: fiveMinutes,
		},
	},
	"an adoption is refused": {
		observation: Observation{
			Key: testKey(gen.WithTrigger("first")), Secret: testSecret(testKey(), activeSet, retained), Refusal: refusedSince(time.Minute),
		},
		want: Plan{
			Status: statusOf(refused(testNow)),
			Events: []event{normal(signetv1alpha1.ReasonWriteRefused, refusedMessage)}, RequeueAfter: fiveMinutes,
		},
	},
}

// refusalCases are keys whose refused write is carried out at last.
var refusalCases = map[string]planCase{
	"a Secret whose adoption was refused is adopted, and its key's triggers ask for nothing": {
		observation: Observation{
			Key:    testKey(gen.WithTrigger("again"), withStatus(refused(earlier))),
			Secret: testSecret(testKey(), activeSet, retained),
		},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Secret:        write(testSecret(testKey(), activeSet, retained), testSecret(testKey(), triggeredActive)),
			Status:        statusOf(ready(testNow), notBound(testNow), settled(testNow, "active-id"), showing(triggeredActive)),
			Events:        []event{normal(eventAdopted, `Adopted existing Secret "orders" with version active-id.`), readyEvent()},
		},
	},
	"a rotation that was refused begins": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithTrigger("again"), ofGeneration2,
				withStatus(readyWith(activeSet), stalled(earlier, signetv1alpha1.ReasonWriteRefused, refusedMessage))),
			Secret: activeSecret, Watch: watched(activeSet, time.Hour),
		},
		want: Plan{
			RotationState: activeSet.RotationState(),
			Secret:        write(activeSecret, testSecret(testKey(), triggeredNext)),
			Status: statusOf(ready(testNow), notBound(earlier), rotatingAs(testNow, signetv1alpha1.ReasonStaged, drawnMessage), showing(triggeredNext),
				ofGeneration(2, 2), readyOfGeneration2),
			Events:       []event{readyEvent(), normal(signetv1alpha1.ReasonStaged, drawnMessage)},
			RequeueAfter: stage,
		},
	},
}

func failed(since time.Time) statusOption {
	return waiting(since, signetv1alpha1.ReasonWriteFailed, refusedMessage)
}

func failingSince(since time.Time) status.Refusal {
	return status.Refusal{Reason: signetv1alpha1.ReasonWriteFailed, Message: refusedMessage, Since: since}
}

// usedOnly sets the bindings that use the key, without the condition.
func usedOnly(names ...string) statusOption {
	return func(s *signetv1alpha1.SignatureKeyStatus) {
		s.Bindings = &signetv1alpha1.KeyBindings{Count: 1, Names: names}
	}
}

func TestUnapplied(t *testing.T) {
	for name, c := range unappliedCases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Unapplied(c.observation, testNow), anyOrder, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

var boundInStatus = withStatus(readyWith(activeSet), boundToShop(earlier))

// partlyAppliedCases are observations, and what is reported of their plans if a write
// after that of the Secret fails.
var partlyAppliedCases = map[string]struct {
	observation Observation
	status      signetv1alpha1.SignatureKeyStatus
	events      []event
}{
	"new material": {
		observation: Observation{Key: testKey(), SecretLive: true, Users: []string{"shop"}},
		status:      statusOf(boundToShop(testNow), settled(testNow, drawnID(4)), creating(generatedSet), ofGeneration(-1, 0)),
		events:      []event{normal(eventGenerated, generatedMessage)},
	},
	"the next step of a rotation": {
		observation: Observation{
			Key: readyKey(activeSet, gen.WithTrigger("again"), boundInStatus, ofGeneration2), Secret: activeSecret,
			Users: []string{"shop"}, HasHolder: true, Watch: watched(activeSet, time.Hour),
		},
		status: statusOf(readyWith(triggeredNext), boundToShop(earlier), rotatingAs(testNow, signetv1alpha1.ReasonStaged, drawnMessage)),
		events: []event{normal(signetv1alpha1.ReasonStaged, drawnMessage)},
	},
	"a problem that is solved": {
		observation: Observation{
			Key:    readyKey(activeSet, withStatus(readyWith(activeSet), boundToShop(earlier), stalled(earlier, signetv1alpha1.ReasonInvalidSpec, invalidSpec)), ofGeneration2),
			Secret: activeSecret, Users: []string{"shop"}, HasHolder: true,
		},
		status: statusOf(readyWith(activeSet), boundToShop(earlier), stalled(earlier, signetv1alpha1.ReasonInvalidSpec, invalidSpec)),
	},
	"a problem that is found": {
		observation: Observation{
			Key:    readyKey(activeSet, gen.WithIdentifier("no good?"), boundInStatus, ofGeneration2),
			Secret: activeSecret, Users: []string{"shop"}, HasHolder: true,
		},
		status: statusOf(readyWith(activeSet), boundToShop(earlier), resting(earlier),
			stalled(testNow, signetv1alpha1.ReasonInvalidSpec, invalidSpec), readyOfGeneration2),
		events: []event{warning(signetv1alpha1.ReasonInvalidSpec, invalidSpec)},
	},
	"an adoption": {
		observation: Observation{Key: testKey(), Secret: testSecret(testKey(), activeSet, retained), Users: []string{"shop"}, HasHolder: true},
		status:      statusOf(boundToShop(testNow), settled(testNow, "active-id"), showing(activeSet), ofGeneration(-1, 0)),
	},
	"a deletion": {
		observation: Observation{Key: readyKey(activeSet, isProtected, deletedNow, ofGeneration2), Secret: protectedSecret, Releasing: true},
		status:      statusOf(readyWith(activeSet)),
	},
	"new material whose protection is refused": {
		observation: Observation{Key: testKey(), SecretLive: true, Users: []string{"shop"}, Refusal: refusedSince(time.Minute)},
		status:      statusOf(refused(testNow), creating(generatedSet), usedOnly("shop")),
		events:      []event{normal(eventGenerated, generatedMessage), normal(signetv1alpha1.ReasonWriteRefused, refusedMessage)},
	},
	"protection is refused": {
		observation: Observation{
			Key: readyKey(activeSet, boundInStatus, ofGeneration2), Secret: protectedSecret, Users: []string{"shop"}, HasHolder: true,
			Refusal: refusedSince(time.Minute),
		},
		status: statusOf(readyWith(activeSet), boundToShop(earlier), refused(testNow), ofGeneration(2, 1), readyOfGeneration2),
		events: []event{normal(signetv1alpha1.ReasonWriteRefused, refusedMessage)},
	},
	"protection is refused to a key with a problem": {
		observation: Observation{
			Key:    readyKey(activeSet, gen.WithIdentifier("no good?"), boundInStatus, ofGeneration2),
			Secret: activeSecret, Users: []string{"shop"}, HasHolder: true, Refusal: refusedSince(time.Minute),
		},
		status: statusOf(readyWith(activeSet), boundToShop(earlier), resting(earlier), ofGeneration(2, 1),
			stalled(testNow, signetv1alpha1.ReasonInvalidSpec, invalidSpec), readyOfGeneration2),
		events: []event{warning(signetv1alpha1.ReasonInvalidSpec, invalidSpec)},
	},
}

// If a write after that of the Secret fails, the material is as planned, but no
// generation counts as acted upon.
func TestPartlyApplied(t *testing.T) {
	for name, c := range partlyAppliedCases {
		t.Run(name, func(t *testing.T) {
			plan, err := Compute(c.observation, testNow, &testRandom{})
			if err != nil {
				t.Fatal(err)
			}
			got := PartlyApplied(c.observation, plan, testNow)
			if diff := cmp.Diff(c.status, got.Status, anyOrder, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.events, got.Events, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
