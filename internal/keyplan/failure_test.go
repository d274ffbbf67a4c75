// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// ofNoGeneration is the status of a key of which no generation has been acted upon.
func ofNoGeneration(s *signetv1alpha1.SignatureKeyStatus) {
	s.ObservedGeneration = -1
	for i := range s.Conditions {
		s.Conditions[i].ObservedGeneration = 0
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

// Until its writes have taken effect, nothing of a plan is reported but what was
// observed and what is wrong with it.
func TestUnapplied(t *testing.T) {
	cases := map[string]planCase{
		"new material": {
			observation: Observation{Key: testKey(), SecretLive: true},
			want:        Plan{Status: statusOf(notBound(testNow), ofNoGeneration)},
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
			want:        Plan{Status: statusOf(notBound(testNow), ofNoGeneration)},
		},
		"a deletion": {
			observation: Observation{Key: readyKey(activeSet, isProtected, deletedNow, ofGeneration2), Secret: activeSecret},
			want:        Plan{Status: statusOf(readyWith(activeSet))},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Unapplied(c.observation, testNow), anyOrder, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// If a write after that of the Secret fails, the material is as planned, but no
// generation counts as acted upon.
func TestPartlyApplied(t *testing.T) {
	boundInStatus := withStatus(readyWith(activeSet), boundToShop(earlier))
	cases := map[string]struct {
		observation Observation
		status      signetv1alpha1.SignatureKeyStatus
		events      []event
	}{
		"new material": {
			observation: Observation{Key: testKey(), SecretLive: true, Users: []string{"shop"}},
			status:      statusOf(boundToShop(testNow), settled(testNow, drawnID(4)), creating(generatedSet), ofNoGeneration),
			events:      []event{normal(eventGenerated, generatedMessage), normal(signetv1alpha1.ReasonBound, usedMessage)},
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
			status:      statusOf(boundToShop(testNow), settled(testNow, "active-id"), showing(activeSet), ofNoGeneration),
			events:      []event{normal(signetv1alpha1.ReasonBound, usedMessage)},
		},
		"a deletion": {
			observation: Observation{Key: readyKey(activeSet, isProtected, deletedNow, ofGeneration2), Secret: protectedSecret, Releasing: true},
			status:      statusOf(readyWith(activeSet)),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			plan, err := Compute(c.observation, testNow, &testRandom{})
			if err != nil {
				t.Fatal(err)
			}
			got := PartlyApplied(c.observation, plan)
			if diff := cmp.Diff(c.status, got.Status, anyOrder, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.events, got.Events, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
