// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

var deletion = metav1.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func bindingWith(change func(*signetv1alpha1.SignatureBinding)) *signetv1alpha1.SignatureBinding {
	binding := &signetv1alpha1.SignatureBinding{}
	binding.Name, binding.Namespace = "orders", "shop"
	binding.CreationTimestamp = metav1.NewTime(deletion.Add(-time.Hour))
	change(binding)
	return binding
}

func TestUsesKey(t *testing.T) {
	active := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Name: "orders"}}
	deleted := active.DeepCopy()
	deleted.DeletionTimestamp = deletion.DeepCopy()

	cases := map[string]struct {
		key  *signetv1alpha1.SignatureKey
		bind func(*signetv1alpha1.SignatureBinding)
		want bool
	}{
		"names an active key": {active, func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = "orders" }, true},
		"names another key":   {active, func(b *signetv1alpha1.SignatureBinding) { b.Spec.KeyRef.Name = "other" }, false},
		"moves away, key still effective": {active, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.KeyRef.Name, b.Status.KeyName = "other", "orders"
		}, true},
		"moved away, key still accepted": {active, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.KeyRef.Name, b.Status.KeyName = "other", "other"
			b.Status.PreviousKeys = []signetv1alpha1.PreviousKey{{Name: "orders"}}
		}, true},
		"moved away, key no longer accepted": {active, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.KeyRef.Name, b.Status.KeyName = "other", "other"
		}, false},
		"created before the deletion": {deleted, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.KeyRef.Name = "orders"
		}, true},
		"created in the second of the deletion": {deleted, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.KeyRef.Name, b.CreationTimestamp = "orders", deletion
		}, true},
		"created after the deletion": {deleted, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.KeyRef.Name, b.CreationTimestamp = "orders", metav1.NewTime(deletion.Add(time.Second))
		}, false},
		"created after the deletion, key already effective": {deleted, func(b *signetv1alpha1.SignatureBinding) {
			b.Spec.KeyRef.Name, b.CreationTimestamp = "orders", metav1.NewTime(deletion.Add(time.Second))
			b.Status.KeyName = "orders"
		}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := UsesKey(bindingWith(c.bind), c.key); got != c.want {
				t.Errorf("UsesKey = %t, want %t", got, c.want)
			}
		})
	}
}

func TestHoldsWith(t *testing.T) {
	bound := []signetv1alpha1.APIStatus{
		{Name: "a", State: signetv1alpha1.APIConflicted},
		{Name: "b", State: signetv1alpha1.APIOffline, BoundAt: &deletion},
	}
	cases := map[string]struct {
		status signetv1alpha1.SignatureBindingStatus
		want   bool
	}{
		"holds an API with the key":              {signetv1alpha1.SignatureBindingStatus{KeyName: "orders", APIs: bound}, true},
		"held an API with the key before a move": {signetv1alpha1.SignatureBindingStatus{KeyName: "other", PreviousKeys: []signetv1alpha1.PreviousKey{{Name: "orders"}}, APIs: bound}, true},
		"holds an API with another key":          {signetv1alpha1.SignatureBindingStatus{KeyName: "other", APIs: bound}, false},
		"key effective, holds nothing":           {signetv1alpha1.SignatureBindingStatus{KeyName: "orders", APIs: bound[:1]}, false},
		"no status yet":                          {signetv1alpha1.SignatureBindingStatus{}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			binding := bindingWith(func(b *signetv1alpha1.SignatureBinding) { b.Status = c.status })
			if got := HoldsWith(binding, "orders"); got != c.want {
				t.Errorf("HoldsWith = %t, want %t", got, c.want)
			}
		})
	}
}
