// SPDX-License-Identifier: Apache-2.0

package kubeclient_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/status"
)

var start = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// memory is that of a controller of keys, and the key that it is about.
type memory struct {
	*kubeclient.FailingWrites
	clock *clocktesting.FakePassiveClock
	key   *signetv1alpha1.SignatureKey
}

func newMemory() *memory {
	now := clocktesting.NewFakePassiveClock(start)
	key := &signetv1alpha1.SignatureKey{}
	key.Namespace, key.Name, key.UID = "shop", "orders", "key-uid"
	return &memory{FailingWrites: kubeclient.NewFailingWrites(now), clock: now, key: key}
}

// fail records at the time after start that a write of the object was refused.
func (m *memory) fail(after time.Duration, object client.Object, text string) status.Refusal {
	m.clock.SetTime(start.Add(after))
	return m.Record(m.key, kubeclient.FailedWrite(kubeclient.VerbPatch, answer(http.StatusForbidden, text), object))
}

func TestFailingWrites(t *testing.T) {
	secret, configMap := named(&corev1.Secret{}), named(&corev1.ConfigMap{})
	for name, c := range map[string]struct {
		then  func(*memory)
		since time.Duration
	}{
		"the same write":     {func(*memory) {}, 0},
		"another object":     {func(m *memory) { m.fail(20*time.Second, configMap, "no") }, time.Minute},
		"a success between":  {func(m *memory) { m.Forget(client.ObjectKeyFromObject(m.key)) }, time.Minute},
		"another key":        {func(m *memory) { m.key.UID = "successor" }, time.Minute},
		"a conflict between": {func(m *memory) { m.Record(m.key, answer(http.StatusConflict, "modified")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			m.fail(0, secret, "no")
			c.then(m)
			if got := m.fail(time.Minute, secret, "no"); got.Since != start.Add(c.since) || got.Reason != signetv1alpha1.ReasonWriteRefused {
				t.Errorf("refusal %+v, want it since %s", got, c.since)
			}
		})
	}
}

// A text that is never the same would make each report cause the next attempt.
func TestReportKeepsItsWordsForAMinute(t *testing.T) {
	m, secret := newMemory(), named(&corev1.Secret{})
	for _, step := range []struct {
		after time.Duration
		words int
	}{{0, 0}, {10, 10}, {30, 30}, {50, 30}, {89, 30}, {90, 90}, {149, 90}, {200, 200}} {
		got := m.fail(step.after*time.Second, secret, fmt.Sprint(int(step.after)))
		want := kubeclient.FailedWrite(kubeclient.VerbPatch, answer(http.StatusForbidden, fmt.Sprint(step.words)), secret)
		if failed, _ := want.(*kubeclient.WriteError); got.Message != failed.Message() { //nolint:errorlint // it is not wrapped
			t.Errorf("after %d s: %q", step.after, got.Message)
		}
	}
}

// One failure is not half a minute of them, however long ago it was.
func TestOneFailureDoesNotPersist(t *testing.T) {
	m, secret := newMemory(), named(&corev1.Secret{})
	m.fail(0, secret, "no")
	m.clock.SetTime(start.Add(time.Hour))
	if got := m.Persisting(m.key); !got.IsZero() || m.Announce(m.key) {
		t.Errorf("persists: %+v", got)
	}
}

// What persists is known between the attempts, and announced once.
func TestPersistingWrites(t *testing.T) {
	m, secret := newMemory(), named(&corev1.Secret{})
	m.fail(0, secret, "no")
	if got := m.Persisting(m.key); !got.IsZero() || m.Announce(m.key) {
		t.Errorf("reported at once: %+v", got)
	}
	want := m.fail(30*time.Second, secret, "no")
	if got := m.Persisting(m.key); got != want || !m.Announce(m.key) || m.Announce(m.key) {
		t.Errorf("persisting %+v, want %+v, announced once", got, want)
	}
	m.Forget(client.ObjectKeyFromObject(m.key))
	if got := m.Persisting(m.key); !got.IsZero() || m.Announce(m.key) {
		t.Errorf("reported after a success: %+v", got)
	}
}

// An attempt falls on the time after which a failure is reported, and none is more
// than two minutes after the one before.
func TestBackoff(t *testing.T) {
	limiter, request := kubeclient.NewBackoff(), reconcile.Request{}
	var total time.Duration
	reported, first := false, limiter.When(request)
	total = first
	for range 40 {
		delay := limiter.When(request)
		total += delay
		reported = reported || total >= status.RefusalDelay && total < status.RefusalDelay+time.Second
		if delay > 110*time.Second {
			t.Fatalf("a delay of %s", delay)
		}
	}
	if !reported || limiter.NumRequeues(request) != 41 {
		t.Errorf("no attempt after %s, of %d", status.RefusalDelay, limiter.NumRequeues(request))
	}
	limiter.Forget(request)
	if got := limiter.When(request); got != first {
		t.Errorf("the delay after a success is %s, want %s", got, first)
	}
}
