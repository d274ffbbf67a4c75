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
	"github.com/signet-dev/signet/internal/validation"
)

// sourceValidator checks Secrets labelled as sources against every key that
// names them. One that no key names is admitted: the key may come later.
type sourceValidator struct {
	reader client.Reader
}

// ValidateCreate asks the rules for each key.
func (v *sourceValidator) ValidateCreate(ctx context.Context, secret *corev1.Secret) (admission.Warnings, error) {
	return nil, v.validate(ctx, secret)
}

// ValidateUpdate asks the rules for each key, unless nothing has changed that
// they are about.
func (v *sourceValidator) ValidateUpdate(ctx context.Context, old, secret *corev1.Secret) (admission.Warnings, error) {
	if !secret.DeletionTimestamp.IsZero() || (isSource(old) && maps.EqualFunc(old.Data, secret.Data, bytes.Equal)) {
		return nil, nil
	}
	return nil, v.validate(ctx, secret)
}

// ValidateDelete lets every Secret go: the last good material stays in force.
func (*sourceValidator) ValidateDelete(context.Context, *corev1.Secret) (admission.Warnings, error) {
	return nil, nil
}

func (v *sourceValidator) validate(ctx context.Context, secret *corev1.Secret) error {
	if !isSource(secret) {
		return nil // the label has just been taken away
	}
	var keys signetv1alpha1.SignatureKeyList
	err := v.reader.List(ctx, &keys, client.InNamespace(secret.Namespace),
		client.MatchingFields{index.KeySource: secret.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("look up the keys that name the Secret: %w", err))
	}
	var errs field.ErrorList
	for i := range keys.Items {
		for _, found := range validation.ValidateSource(&keys.Items[i], secret.Data) {
			found.Detail = fmt.Sprintf("%s (for SignatureKey %s)", found.Detail, keys.Items[i].Name)
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
