// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

const leavingMessage = "Signet is leaving the namespace, because its RoleBinding is being deleted. The material stays as it is and is no longer protected. " +
	"To have the key served again, create the RoleBinding."

var leavingEvent = warning(signetv1alpha1.ReasonNotServed, leavingMessage)

// leavingCases are those of a namespace that Signet leaves.
var leavingCases = map[string]planCase{
	"a key loses its protection in a namespace that Signet leaves": {
		observation: with(bound(activeSet), func(o *Observation) {
			o.Secret, o.Leaving, o.Releasing = protectedSecret.DeepCopy(), true, true
		}),
		want: Plan{
			Protection: RemoveProtection, Terminal: true, Events: []event{leavingEvent},
			Status: statusOf(readyWith(activeSet), boundToShop(earlier), stalled(testNow, signetv1alpha1.ReasonNotServed, leavingMessage)),
		},
	},
	"so does a key that is being deleted": {
		observation: with(bound(activeSet, deletedNow), func(o *Observation) {
			o.Secret, o.Leaving, o.Releasing = protectedSecret.DeepCopy(), true, true
		}),
		want: Plan{
			Protection: RemoveProtection, Terminal: true,
			Status: statusOf(readyWith(activeSet), usedBy(earlier, signetv1alpha1.ReasonDeletionBlocked, blockedMessage, 1, "shop"),
				stalled(testNow, signetv1alpha1.ReasonNotServed, leavingMessage)),
			Events: []event{leavingEvent, normal(signetv1alpha1.ReasonDeletionBlocked, blockedMessage)},
		},
	},
	"nothing is generated or protected in a namespace that Signet leaves": {
		observation: Observation{Key: testKey(), SecretLive: true, Leaving: true, Users: []string{"shop"}, HasHolder: true},
		want: Plan{
			Terminal: true,
			Status:   statusOf(stalled(testNow, signetv1alpha1.ReasonNotServed, leavingMessage), boundToShop(testNow)),
			Events:   []event{leavingEvent},
		},
	},
	"a key is not repaired in a namespace that Signet leaves": {
		observation: Observation{
			Key: readyKey(activeSet), Leaving: true,
			Secret: testSecret(testKey(), testSet(func(set *material.Set) { set.DisplayName = "another" }), gen.WithFinalizers("example.com/other")),
		},
		want: Plan{
			Terminal: true, Events: []event{leavingEvent},
			Status: statusOf(readyWith(activeSet), stalled(testNow, signetv1alpha1.ReasonNotServed, leavingMessage)),
		},
	},
	"a key is served again when the namespace is": {
		observation: Observation{
			Key:    readyKey(activeSet, withStatus(readyWith(activeSet), boundToShop(earlier), stalled(earlier, signetv1alpha1.ReasonNotServed, leavingMessage))),
			Secret: activeSecret, Users: []string{"shop"}, HasHolder: true,
		},
		want: Plan{
			RotationState: activeSet.RotationState(), Secret: write(activeSecret, protectedSecret), Protection: RestoreProtection,
			Status: statusOf(readyWith(activeSet), boundToShop(earlier), ready(testNow)),
			Events: []event{normal(signetv1alpha1.ReasonReady, `The material is in Secret "orders".`)},
		},
	},
}
