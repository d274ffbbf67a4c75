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
)

// benchRotation is a bench with a key that is renewed every ninety days, made
// now.
func benchRotation(t *testing.T, funcs interceptor.Funcs) *keyBench {
	t.Helper()
	key := benchKey()
	key.Spec.Rotation = &signetv1alpha1.Rotation{IntervalDays: ptr.To[int32](90)}
	b := newKeyBench(t, newStore(t, funcs, key), newStore(t, interceptor.Funcs{}))
	if _, err := b.reconcile(t); err != nil {
		t.Fatal(err)
	}
	return b
}

// after lets time pass and reconciles. It returns after how long the key wants
// to be looked at again, and the reason of its condition Rotating.
func (b *keyBench) after(t *testing.T, passed time.Duration) (again time.Duration, reason string) {
	t.Helper()
	b.clock.SetTime(b.clock.Now().Add(passed))
	result, err := b.reconcile(t)
	if err != nil {
		t.Fatal(err)
	}
	key := &signetv1alpha1.SignatureKey{}
	if err := b.cached.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "orders"}, key); err != nil {
		t.Fatal(err)
	}
	for _, condition := range key.Status.Conditions {
		if condition.Type == signetv1alpha1.ConditionRotating {
			reason = condition.Reason
		}
	}
	return result.RequeueAfter, reason
}

// The key comes back for the next step, and not before.
func TestRotationComesBackForTheNextStep(t *testing.T) {
	const day = 24 * time.Hour
	b := benchRotation(t, interceptor.Funcs{})
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
		{time.Minute, 0, signetv1alpha1.ReasonSettled}, // its own write wakes it
		{0, 90*day - 15*time.Minute, signetv1alpha1.ReasonSettled},
	} {
		again, reason := b.after(t, step.passed)
		if again != step.again || reason != step.reason {
			t.Fatalf("%s after %s: again after %s, %s; want %s, %s", b.clock.Now(), step.passed, again, reason, step.again, step.reason)
		}
	}
}

// A manager that takes over has its own clock: it watches a stage in full.
func TestRotationUnderAnotherManager(t *testing.T) {
	b := benchRotation(t, interceptor.Funcs{})
	if _, reason := b.after(t, 90*24*time.Hour); reason != signetv1alpha1.ReasonStaged {
		t.Fatal(reason)
	}
	b.rotations = newRotationClock(b.clock)
	if again, reason := b.after(t, time.Hour); reason != signetv1alpha1.ReasonStaged || again != 2*time.Minute {
		t.Errorf("%s, again after %s", reason, again)
	}
	if _, reason := b.after(t, 2*time.Minute); reason != signetv1alpha1.ReasonRetiring {
		t.Error(reason)
	}
}

// A write that hangs must not land long after the delays began to count.
func TestWritesOfSecretsHaveALimit(t *testing.T) {
	var deadline time.Time
	b := benchRotation(t, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if _, isSecret := object.(*corev1.Secret); isSecret {
				deadline, _ = ctx.Deadline()
			}
			return c.Patch(ctx, object, patch, options...)
		},
	})
	b.after(t, 90*24*time.Hour)
	if left := time.Until(deadline); left <= 0 || left > writeLimit {
		t.Errorf("%s are left for the write", left)
	}
}

// While the name of the public ConfigMap is somebody else's, backends cannot
// learn of a version: no step is taken.
func TestRotationRestsWhereBackendsCannotBeTold(t *testing.T) {
	key := benchKey()
	key.Spec.Type = signetv1alpha1.KeyTypePublicKey
	b := newKeyBench(t, newStore(t, interceptor.Funcs{}, key), newStore(t, interceptor.Funcs{}))
	b.PublicKeyEnabled = true
	if _, err := b.reconcile(t); err != nil {
		t.Fatal(err)
	}
	name := client.ObjectKey{Namespace: "shop", Name: "orders"}
	secret := &corev1.Secret{}
	if err := b.cached.Get(t.Context(), name, secret); err != nil {
		t.Fatal(err)
	}
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders-public"}}
	if err := b.cached.Update(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	if err := b.cached.Get(t.Context(), name, key); err != nil {
		t.Fatal(err)
	}
	key.Spec.Rotation = &signetv1alpha1.Rotation{Trigger: "1"}
	if err := b.cached.Update(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, reason := b.after(t, time.Minute); reason != signetv1alpha1.ReasonSettled {
		t.Error(reason)
	}
	if got := b.ready(t); got.Reason != signetv1alpha1.ReasonSecretOwnedByOther {
		t.Errorf("Ready is %s", got.Reason)
	}
	after := &corev1.Secret{}
	if err := b.cached.Get(t.Context(), name, after); err != nil || after.ResourceVersion != secret.ResourceVersion {
		t.Errorf("the Secret was written: %v", err)
	}
}
