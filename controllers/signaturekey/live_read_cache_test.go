// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/testing/gen"
)

func TestAnswerOfALiveReadStandsForAMinute(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(1, 0))
	answers := newLiveReadCache(now)
	key := testKey()
	lost := status.Stalled("SecretLost", "gone")
	answers.store(key, lost)

	now.SetTime(now.Now().Add(50 * time.Second))
	if got, left := answers.lookup(key); got != lost || left != 10*time.Second {
		t.Errorf("lookup = %v for %s", got, left)
	}
	changed := key.DeepCopy()
	changed.Generation++
	if got, _ := answers.lookup(changed); !got.IsZero() {
		t.Errorf("the answer stands for a changed key: %v", got)
	}
	other := key.DeepCopy()
	other.UID = "other"
	if got, _ := answers.lookup(other); !got.IsZero() {
		t.Errorf("the answer stands for another key of the same name: %v", got)
	}
	now.SetTime(now.Now().Add(10 * time.Second))
	if got, _ := answers.lookup(key); !got.IsZero() {
		t.Errorf("the answer stands for more than a minute: %v", got)
	}
	answers.forget(client.ObjectKeyFromObject(key))
	if len(answers.keys) > 0 {
		t.Errorf("%d keys are remembered that are gone", len(answers.keys))
	}
}

func TestAnswerAboutANamespaceStandsForAMinute(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(1, 0))
	answers := newLiveReadCache(now)
	if answers.isStaying("shop") {
		t.Error("a namespace is known that was not read")
	}
	answers.storeStaying("shop")
	if !answers.isStaying("shop") {
		t.Error("the answer does not stand")
	}
	now.SetTime(now.Now().Add(keyplan.LiveReadInterval))
	if answers.isStaying("shop") {
		t.Error("the answer stands for more than a minute")
	}
}

// That a UID is gone holds forever, whatever becomes of the key.
func TestAnswerAboutASecret(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(1, 0))
	answers := newLiveReadCache(now)
	key := testKey()
	answers.storeSecret(key, "", true)
	if gone, taken := answers.lookupSecret(key); gone != "" || !taken {
		t.Errorf("after a create: %q, %t", gone, taken)
	}
	answers.storeSecret(key, "old", false)
	now.SetTime(now.Now().Add(time.Hour))
	key.Generation++
	if gone, taken := answers.lookupSecret(key); gone != "old" || taken {
		t.Errorf("after a read: %q, %t", gone, taken)
	}
	if gone, taken := answers.lookupSecret(testKey(gen.WithUID("another"))); gone != "" || taken {
		t.Errorf("of another key: %q, %t", gone, taken)
	}
	answers.forget(client.ObjectKeyFromObject(key))
	if len(answers.secrets) > 0 {
		t.Errorf("%d keys are remembered that are gone", len(answers.secrets))
	}
}
