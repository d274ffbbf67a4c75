// SPDX-License-Identifier: Apache-2.0

package gen

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// SecretOption changes a Secret: a SecretFunc or an ObjectOption.
type SecretOption interface {
	applyToSecret(*corev1.Secret)
}

// SecretFunc is a SecretOption and a mutation of an existing Secret.
type SecretFunc func(*corev1.Secret)

func (f SecretFunc) applyToSecret(secret *corev1.Secret) { f(secret) }

// SourceSecret builds a source Secret with the components in data.
func SourceSecret(name string, data map[string]string, options ...SecretOption) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialSource},
		},
		Data: map[string][]byte{},
	}
	for component, value := range data {
		secret.Data[component] = []byte(value)
	}
	return with(secret, options)
}

// ManagedSecret builds the managed Secret of a key with this data, owned by the
// key.
func ManagedSecret(key *signetv1alpha1.SignatureKey, data map[string][]byte, options ...SecretOption) *corev1.Secret {
	return with(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.EffectiveTargetName(),
			Labels: map[string]string{
				signetv1alpha1.LabelMaterial:  signetv1alpha1.MaterialManaged,
				signetv1alpha1.LabelKey:       key.Name,
				signetv1alpha1.LabelManagedBy: signetv1alpha1.ManagedBy,
			},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(key, signetv1alpha1.GroupVersion.WithKind("SignatureKey")),
			},
		},
		Type: signetv1alpha1.SecretType,
		Data: data,
	}, options)
}

func with(secret *corev1.Secret, options []SecretOption) *corev1.Secret {
	for _, option := range options {
		option.applyToSecret(secret)
	}
	return secret
}
