// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// newRotation is a fixture with a key that is renewed every ninety days and has
// just been generated.
func newRotation(t *testing.T, funcs interceptor.Funcs) *fixture {
	t.Helper()
	key := testKey(gen.WithRotation(signetv1alpha1.Rotation{IntervalDays: ptr.To[int32](90)}))
	f := newFixture(t, newStore(t, funcs, key), newStore(t, interceptor.Funcs{}))
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	return f
}

// after lets time pass and reconciles. It returns when the key is to be examined
// again, and the reason of its condition Rotating.
func (f *fixture) after(t *testing.T, passed time.Duration) (again time.Duration, reason string) {
	t.Helper()
	f.clock.SetTime(f.clock.Now().Add(passed))
	result, err := f.reconcile(t)
	if err != nil {
		t.Fatal(err)
	}
	return result.RequeueAfter, f.condition(t, signetv1alpha1.ConditionRotating).Reason
}

// The key is examined again when the next step is due, and not before.
func TestRotationComesBackForTheNextStep(t *testing.T) {
	const day = 24 * time.Hour
	f := newRotation(t, interceptor.Funcs{})
	for _, step := range []struct {
		passed, again time.Duration
		reason        string
	}{
		{0, 90 * day, signetv1alpha1.ReasonSettled},
		{day, 89 * day, signetv1alpha1.ReasonSettled},
		{89 * day, 2 * time.Minute, signetv1alpha1.ReasonStaged},
		{0, 2 * time.Minute, signetv1alpha1.ReasonStaged},
		{time.Minute, time.Minute, signetv1alpha1.ReasonStaged},
		{time.Minute, 15 * time.Minute, signetv1alpha1.ReasonRetiring},
		{0, 15 * time.Minute, signetv1alpha1.ReasonRetiring},
		{14 * time.Minute, time.Minute, signetv1alpha1.ReasonRetiring},
		{time.Minute, time.Millisecond, signetv1alpha1.ReasonSettled}, // its own write wakes nobody
		{0, 90*day - 15*time.Minute, signetv1alpha1.ReasonSettled},
	} {
		again, reason := f.after(t, step.passed)
		if again != step.again || reason != step.reason {
			t.Fatalf("%s after %s: again after %s, %s; want %s, %s", f.clock.Now(), step.passed, again, reason, step.again, step.reason)
		}
	}
}

// A write of the key's own is no news to it: what follows one does not wait for a watch.
func TestStepsFollowWithoutAWatch(t *testing.T) {
	store := newStore(t, interceptor.Funcs{}, testKey(gen.WithRotation(signetv1alpha1.Rotation{IntervalDays: new(int32(90))})))
	f := newFixture(t, store, store)
	expect := func(what string, again time.Duration) {
		t.Helper()
		if result, err := f.reconcile(t); err != nil || result.RequeueAfter != again {
			t.Errorf("%s: %v, %v, want %s", what, result, err, again)
		}
	}
	expect("new material", time.Millisecond)
	expect("its schedule", 90*24*time.Hour)
	if err := store.Delete(t.Context(), f.liveSecret(t)); err != nil {
		t.Fatal(err)
	}
	expect("the end of the record", time.Millisecond)
	expect("new material", time.Millisecond)
	expect("its schedule", 90*24*time.Hour)
}

// A stage is watched from the acknowledgment of its write on, not from the next
// reconcile.
func TestRotationIsWatchedFromItsWriteOn(t *testing.T) {
	f := newRotation(t, interceptor.Funcs{})
	if _, reason := f.after(t, 90*24*time.Hour); reason != signetv1alpha1.ReasonStaged {
		t.Fatal(reason)
	}
	if _, reason := f.after(t, 2*time.Minute); reason != signetv1alpha1.ReasonRetiring {
		t.Error(reason)
	}
}

// A manager that takes over has its own clock: it watches the whole stage.
func TestRotationUnderAnotherManager(t *testing.T) {
	f := newRotation(t, interceptor.Funcs{})
	if _, reason := f.after(t, 90*24*time.Hour); reason != signetv1alpha1.ReasonStaged {
		t.Fatal(reason)
	}
	f.rotations = newRotationClock(f.clock)
	if again, reason := f.after(t, time.Hour); reason != signetv1alpha1.ReasonStaged || again != 2*time.Minute {
		t.Errorf("%s, again after %s", reason, again)
	}
	if _, reason := f.after(t, 2*time.Minute); reason != signetv1alpha1.ReasonRetiring {
		t.Error(reason)
	}
}

// A write that hangs must not take effect long after the delays began to count.
func TestWritesOfSecretsHaveALimit(t *testing.T) {
	var deadline time.Time
	f := newRotation(t, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if _, isSecret := object.(*corev1.Secret); isSecret {
				deadline, _ = ctx.Deadline()
			}
			return c.Patch(ctx, object, patch, options...)
		},
	})
	f.after(t, 90*24*time.Hour)
	if left := time.Until(deadline); left <= 0 || left > writeLimit {
		t.Errorf("%s are left for the write", left)
	}
}

// A key with a version on record takes the name of its public ConfigMap back: another
// client must not decide what backends accept.
func TestRotationTakesThePublicConfigMapBack(t *testing.T) {
	key := testKey(gen.WithType(signetv1alpha1.KeyTypePublicKey))
	f := newFixture(t, newStore(t, interceptor.Funcs{}, key), newStore(t, interceptor.Funcs{}))
	f.PublicKeyEnabled = true
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	forged := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders-public"}, Data: map[string]string{"key": "forged"}}
	if err := f.cached.Update(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	f.change(t, gen.WithTrigger("1"))
	if _, reason := f.after(t, time.Minute); reason != signetv1alpha1.ReasonStaged {
		t.Error(reason)
	}
	secret, public := &corev1.Secret{}, &corev1.ConfigMap{}
	if err := f.cached.Get(t.Context(), orders, secret); err != nil {
		t.Fatal(err)
	}
	if err := f.cached.Get(t.Context(), publicName(key), public); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"key", "next.key"} {
		if public.Data[name] == "" || public.Data[name] != string(secret.Data[name]) {
			t.Errorf("data[%s] is not the Secret's", name)
		}
	}
	if !metav1.IsControlledBy(public, key) || public.Labels[signetv1alpha1.LabelKey] != "orders" {
		t.Errorf("labels %v, owners %v", public.Labels, public.OwnerReferences)
	}
}
