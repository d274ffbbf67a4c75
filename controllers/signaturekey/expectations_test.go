// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestPendingWaitsForTheCacheToShowOwnWrites(t *testing.T) {
	secret := func(version string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "orders", ResourceVersion: version}}
	}
	cases := map[string]struct {
		uid    string
		secret *corev1.Secret
		after  time.Duration
		want   time.Duration
	}{
		"behind":                    {"key-uid", secret("99"), time.Second, 9 * time.Second},
		"shown":                     {"key-uid", secret("100"), time.Second, 0},
		"ahead":                     {"key-uid", secret("101"), time.Second, 0},
		"no Secret any longer":      {"key-uid", nil, time.Second, 0},
		"behind for too long":       {"key-uid", secret("99"), lagLimit, 0},
		"of another key":            {"other", secret("99"), time.Second, 0},
		"of a version out of order": {"key-uid", secret("x"), time.Second, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			now := clocktesting.NewFakePassiveClock(time.Unix(1, 0))
			writes := newExpectations(now)
			writes.expect(testKey(), secret("100"))
			now.SetTime(now.Now().Add(c.after))
			key := testKey()
			key.UID, key.ResourceVersion = "key-uid", "5"
			if c.uid != "key-uid" {
				key.UID = "other"
			}
			cached := []client.Object{key}
			if c.secret != nil {
				cached = append(cached, c.secret)
			}
			if got := writes.pending(key, cached...); got != c.want {
				t.Errorf("pending = %s, want %s", got, c.want)
			}
		})
	}
}

func TestExpectationsForgetKeysThatAreGone(t *testing.T) {
	writes := newExpectations(clocktesting.NewFakePassiveClock(time.Unix(1, 0)))
	writes.expect(testKey(), testKey())
	writes.forget(client.ObjectKeyFromObject(testKey()))
	if len(writes.keys) > 0 {
		t.Errorf("%d keys are remembered that are gone", len(writes.keys))
	}
}
