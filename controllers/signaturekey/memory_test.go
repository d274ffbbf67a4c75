package signaturekey

import (
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestLag(t *testing.T) {
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
		"there":                     {"key-uid", secret("100"), time.Second, 0},
		"ahead":                     {"key-uid", secret("101"), time.Second, 0},
		"no Secret any more":        {"key-uid", nil, time.Second, 0},
		"behind for too long":       {"key-uid", secret("99"), lagLimit, 0},
		"of another key":            {"other", secret("99"), time.Second, 0},
		"of a version out of order": {"key-uid", secret("x"), time.Second, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			now := clocktesting.NewFakePassiveClock(time.Unix(1, 0))
			memory := newKeyMemory(now)
			memory.wrote(&keyRun{key: benchKey()}, secret("100"))
			now.SetTime(now.Now().Add(c.after))
			key := benchKey()
			key.UID, key.ResourceVersion = "key-uid", "5"
			if c.uid != "key-uid" {
				key.UID = "other"
			}
			if got := memory.lag(&keyRun{key: key, secret: c.secret}); got != c.want {
				t.Errorf("lag = %s, want %s", got, c.want)
			}
		})
	}
}

func TestAnswerStandsForAMinute(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(1, 0))
	memory := newKeyMemory(now)
	key := benchKey()
	lost := status.Stalled("SecretLost", "gone")
	memory.answered(key, lost)

	now.SetTime(now.Now().Add(50 * time.Second))
	if got, left := memory.answer(key); got != lost || left != 10*time.Second {
		t.Errorf("answer = %v for %s", got, left)
	}
	changed := key.DeepCopy()
	changed.Generation++
	if got, _ := memory.answer(changed); !got.IsZero() {
		t.Errorf("the answer stands for a changed key: %v", got)
	}
	now.SetTime(now.Now().Add(10 * time.Second))
	if got, _ := memory.answer(key); !got.IsZero() {
		t.Errorf("the answer stands for more than a minute: %v", got)
	}
	memory.forget(client.ObjectKeyFromObject(key))
	if len(memory.keys) > 0 {
		t.Errorf("%d keys are remembered that are gone", len(memory.keys))
	}
}
