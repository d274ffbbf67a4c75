// SPDX-License-Identifier: Apache-2.0

package gen

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// KeyOption changes a SignatureKey: a KeyFunc or an ObjectOption.
type KeyOption interface {
	applyToKey(*signetv1alpha1.SignatureKey)
}

// KeyFunc is a KeyOption and a mutation of an existing key.
type KeyFunc func(*signetv1alpha1.SignatureKey)

func (f KeyFunc) applyToKey(key *signetv1alpha1.SignatureKey) { f(key) }

// SignatureKey builds a key of type HMAC.
func SignatureKey(name string, options ...KeyOption) *signetv1alpha1.SignatureKey {
	key := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
	for _, option := range options {
		option.applyToKey(key)
	}
	return key
}

// WithType sets the type of the key.
func WithType(keyType signetv1alpha1.KeyType) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Type = keyType }
}

// WithAES sets the type AES and its algorithm.
func WithAES(algorithm signetv1alpha1.KeyAlgorithm) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) {
		key.Spec.Type, key.Spec.Algorithm = signetv1alpha1.KeyTypeAES, algorithm
	}
}

// WithDisplayName sets the name on the gateway.
func WithDisplayName(name string) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.DisplayName = name }
}

// WithIdentifier supplies the identifier in the spec.
func WithIdentifier(identifier string) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Identifier = identifier }
}

// WithSource names the source Secret.
func WithSource(name string) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) {
		key.Spec.Source = &signetv1alpha1.KeySource{SecretRef: &signetv1alpha1.LocalReference{Name: name}}
	}
}

// WithTarget names the managed Secret.
func WithTarget(name string) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Target.Name = name }
}

// WithTemplate sets the metadata of the managed Secret.
func WithTemplate(template signetv1alpha1.SecretTemplate) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Target.Template = &template }
}

// WithDeletionPolicy sets what becomes of the managed Secret.
func WithDeletionPolicy(policy signetv1alpha1.DeletionPolicy) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Target.DeletionPolicy = policy }
}

// WithRotation replaces the rotation settings.
func WithRotation(rotation signetv1alpha1.Rotation) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Spec.Rotation = &rotation }
}

// WithTrigger replaces the rotation settings by a trigger.
func WithTrigger(trigger string) KeyFunc {
	return WithRotation(signetv1alpha1.Rotation{Trigger: trigger})
}

// WithShortRotation makes a rotation take as little time as the API allows.
func WithShortRotation() KeyFunc {
	return WithRotation(signetv1alpha1.Rotation{StageSeconds: ptr.To[int32](1), RetireSeconds: ptr.To[int32](1)})
}

// WithKeyID records in the status that the key has material of this version.
func WithKeyID(id string) KeyFunc {
	return func(key *signetv1alpha1.SignatureKey) { key.Status.KeyID = id }
}
