// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

type keyValidator struct {
	reader           client.Reader
	claims           Claims
	publicKeyEnabled bool
	stateOf          stateOf
}

// ValidateCreate checks the rules and the gate for PublicKey.
func (v *keyValidator) ValidateCreate(ctx context.Context, key *signetv1alpha1.SignatureKey) (admission.Warnings, error) {
	errs := validation.ValidateSignatureKey(key)
	if key.Spec.Type == signetv1alpha1.KeyTypePublicKey && !v.publicKeyEnabled {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "type"),
			"type PublicKey is not enabled: run the manager with --public-key-enable, or use HMAC"))
	}
	if len(errs) > 0 {
		return nil, invalidKey(key, errs)
	}
	return append(notServedWarnings(key.Namespace, v.stateOf), keyWarnings(key, v.supplied(ctx, key))...), nil
}

// ValidateUpdate checks the rules for what has changed.
func (v *keyValidator) ValidateUpdate(ctx context.Context, old, key *signetv1alpha1.SignatureKey) (admission.Warnings, error) {
	if !key.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	if errs := validation.ValidateSignatureKeyUpdate(key, old); len(errs) > 0 {
		return nil, invalidKey(key, errs)
	}
	if equality.Semantic.DeepEqual(old.Spec, key.Spec) {
		return nil, nil // the warnings were given when the spec was written
	}
	warnings := append(notServedWarnings(key.Namespace, v.stateOf), keyWarnings(key, v.supplied(ctx, key))...)
	if warning := revokeWarning(key, old); warning != "" {
		warnings = append(warnings, warning)
	}
	return warnings, nil
}

// ValidateDelete warns if bindings still use the key.
func (v *keyValidator) ValidateDelete(_ context.Context, key *signetv1alpha1.SignatureKey) (admission.Warnings, error) {
	names := v.claims.Namespace(key.Namespace).UsersOf(key.Name)
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return admission.Warnings{boundWarning(key.Name, names)}, nil
}

// supplied returns the components that the key's source has.
func (v *keyValidator) supplied(ctx context.Context, key *signetv1alpha1.SignatureKey) components {
	source := &corev1.Secret{}
	name := client.ObjectKey{Namespace: key.Namespace, Name: key.SourceName()}
	if name.Name == "" || v.reader.Get(ctx, name, source) != nil || source.Labels[signetv1alpha1.LabelMaterial] != signetv1alpha1.MaterialSource {
		return assumedComponents(key)
	}
	_, hasIdentifier := source.Data[validation.DataKey]
	_, hasSecret := source.Data[validation.DataSecret]
	return components{identifier: hasIdentifier, secret: hasSecret}
}

func invalidKey(key *signetv1alpha1.SignatureKey, errs field.ErrorList) error {
	return apierrors.NewInvalid(signetv1alpha1.GroupVersion.WithKind("SignatureKey").GroupKind(), key.Name, errs)
}
