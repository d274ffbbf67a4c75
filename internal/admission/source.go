// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/namespaces"
	"github.com/signet-dev/signet/internal/validation"
)

// sourceValidator checks Secrets labeled as sources against every key that
// references them. A Secret without such a key is admitted: the key may follow.
type sourceValidator struct {
	reader client.Reader
}

// ValidateCreate checks the rules of each key.
func (v *sourceValidator) ValidateCreate(ctx context.Context, secret *corev1.Secret) (admission.Warnings, error) {
	return nil, v.validate(ctx, secret)
}

// ValidateUpdate checks the rules of each key if the data has changed.
func (v *sourceValidator) ValidateUpdate(ctx context.Context, old, secret *corev1.Secret) (admission.Warnings, error) {
	if !secret.DeletionTimestamp.IsZero() || (isSource(old) && maps.EqualFunc(old.Data, secret.Data, bytes.Equal)) {
		return nil, nil
	}
	return nil, v.validate(ctx, secret)
}

// ValidateDelete admits every deletion: the last good material stays in effect.
func (*sourceValidator) ValidateDelete(context.Context, *corev1.Secret) (admission.Warnings, error) {
	return nil, nil
}

func (v *sourceValidator) validate(ctx context.Context, secret *corev1.Secret) error {
	if !isSource(secret) {
		return nil // the update removes the label
	}
	var keys signetv1alpha1.SignatureKeyList
	err := v.reader.List(ctx, &keys, client.InNamespace(secret.Namespace),
		client.MatchingFields{index.KeySource: secret.Name}, client.UnsafeDisableDeepCopy)
	if namespaces.IsNotServed(err) {
		return nil // the keys of the namespace are not followed, so that none uses the Secret
	}
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("list SignatureKeys that reference the Secret: %w", err))
	}
	var errs field.ErrorList
	for i := range keys.Items {
		for _, found := range validation.ValidateSource(&keys.Items[i], secret.Data) {
			found.Detail = fmt.Sprintf("%s (for SignatureKey %q)", found.Detail, keys.Items[i].Name)
			errs = append(errs, found)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Secret").GroupKind(), secret.Name, errs)
}

func isSource(secret *corev1.Secret) bool {
	return secret.Labels[signetv1alpha1.LabelMaterial] == signetv1alpha1.MaterialSource
}
