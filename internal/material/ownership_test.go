// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

func TestIsOwnedBy(t *testing.T) {
	key := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders", UID: "key-uid"}}
	cases := map[string]struct {
		change func(*corev1.Secret)
		want   bool
	}{
		"as Signet writes it":                    {func(*corev1.Secret) {}, true},
		"of another type":                        {func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }, false},
		"of another key":                         {func(s *corev1.Secret) { s.Labels[signetv1alpha1.LabelKey] = "other" }, false},
		"without labels":                         {func(s *corev1.Secret) { s.Labels = nil }, true},
		"without labels and owner":               {func(s *corev1.Secret) { s.Labels, s.OwnerReferences = nil, nil }, false},
		"of another key, controlled by this one": {func(s *corev1.Secret) { s.Labels[signetv1alpha1.LabelKey] = "other" }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "shop", Name: "orders",
					Labels:          map[string]string{signetv1alpha1.LabelKey: "orders", signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged},
					OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(key, material.KeyKind)},
				},
				Type: signetv1alpha1.SecretType,
			}
			c.change(secret)
			if got := material.IsOwnedBy(secret, key); got != c.want {
				t.Errorf("IsOwnedBy = %t", got)
			}
		})
	}
}
