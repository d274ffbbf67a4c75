// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/material"
)

func TestRotationClockMeasuresEachStateFromItsBeginning(t *testing.T) {
	begin := time.Unix(1, 0)
	now := clocktesting.NewFakePassiveClock(begin)
	watches, key := newRotationClock(now), testKey()
	if got := watches.watch(key); got != (material.Watch{}) {
		t.Errorf("a key that was never seen is watched: %v", got)
	}
	watches.observe(key, "staged")
	now.SetTime(begin.Add(time.Minute))
	watches.observe(key, "staged")
	if got, want := watches.watch(key), (material.Watch{State: "staged", FirstSeen: begin, Watched: time.Minute}); got != want {
		t.Errorf("watch = %v, want %v", got, want)
	}
	watches.observe(key, "switched")
	if got, want := watches.watch(key), (material.Watch{State: "switched", FirstSeen: begin.Add(time.Minute)}); got != want {
		t.Errorf("watch = %v, want %v", got, want)
	}
	other := key.DeepCopy()
	other.UID = "other"
	if got := watches.watch(other); got != (material.Watch{}) {
		t.Errorf("another key of the same name is watched: %v", got)
	}
	watches.forget(client.ObjectKeyFromObject(key))
	if len(watches.keys) > 0 {
		t.Errorf("%d keys are remembered that are gone", len(watches.keys))
	}
}
