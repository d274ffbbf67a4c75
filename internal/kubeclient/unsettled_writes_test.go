// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestUnsettledWrites(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	refused := errors.New("refused")
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"success":                   {nil, false},
		"not sent":                  {ErrNotLeading, false},
		"forbidden":                 {apierrors.NewForbidden(secrets, "a", refused), false},
		"invalid":                   {apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "a", nil), false},
		"bad request":               {apierrors.NewBadRequest("no"), false},
		"a conflict with itself":    {apierrors.NewConflict(secrets, "a", refused), true},
		"not found after itself":    {apierrors.NewNotFound(secrets, "a"), true},
		"timeout":                   {apierrors.NewTimeoutError("slow", 0), true},
		"internal error":            {apierrors.NewInternalError(refused), true},
		"connection lost":           {errors.New("EOF"), true},
		"a webhook does not answer": {apierrors.NewInternalError(errors.New("failed calling webhook")), true},
	} {
		t.Run(name, func(t *testing.T) {
			unsettled := NewUnsettledWrites()
			base := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "1", ResourceVersion: "7"}}
			unsettled.Record(base, tc.err)
			if got := unsettled.MayChange(base); got != tc.want {
				t.Errorf("may change: %v", got)
			}
			wrapped := NewUnsettledWrites()
			wrapped.Record(base, FailedWrite(VerbPatch, tc.err, base))
			if got := wrapped.MayChange(base); got != tc.want {
				t.Errorf("wrapped, may change: %v", got)
			}
		})
	}
}

func TestAnotherVersionSettlesAWrite(t *testing.T) {
	base := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "1", ResourceVersion: "7"}}
	for name, change := range map[string]func(*corev1.Secret){
		"newer version": func(s *corev1.Secret) { s.ResourceVersion = "8" },
		"successor":     func(s *corev1.Secret) { s.UID = "2" },
	} {
		t.Run(name, func(t *testing.T) {
			unsettled := NewUnsettledWrites()
			unsettled.Record(base, errors.New("EOF"))
			next := base.DeepCopy()
			change(next)
			if unsettled.MayChange(next) {
				t.Error("a write based on an earlier version may change it")
			}
			if unsettled.MayChange(base) {
				t.Error("it is still unsettled")
			}
		})
	}
}

// A cache that lags shows a version from before the one that the write is based on.
func TestAnOlderVersionSettlesNoWrite(t *testing.T) {
	base := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "1", ResourceVersion: "7"}}
	unsettled := NewUnsettledWrites()
	unsettled.Record(base, errors.New("EOF"))
	older := base.DeepCopy()
	older.ResourceVersion = "6"
	if !unsettled.MayChange(older) || !unsettled.MayChange(base) {
		t.Error("an older version settles the write")
	}
	unsettled.Record(base, nil)
	if unsettled.MayChange(base) || len(unsettled.bases) != 0 {
		t.Error("a later success does not settle it")
	}
}
