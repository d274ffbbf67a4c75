// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/status"
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
	answers.storeNamespace("shop", true)
	if terminating, known := answers.lookupNamespace("shop"); !terminating || !known {
		t.Errorf("lookup = %t, %t", terminating, known)
	}
	now.SetTime(now.Now().Add(keyplan.LiveReadInterval))
	if _, known := answers.lookupNamespace("shop"); known {
		t.Error("the answer stands for more than a minute")
	}
}
