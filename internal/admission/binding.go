// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/validation"
)

type bindingValidator struct {
	reader      client.Reader
	claims      Claims
	rejectTaken bool
	stateOf     stateOf
}

// ValidateCreate checks the rules and warns about what the binding will wait for.
func (v *bindingValidator) ValidateCreate(ctx context.Context, binding *signetv1alpha1.SignatureBinding) (admission.Warnings, error) {
	if errs := validation.ValidateSignatureBinding(binding); len(errs) > 0 {
		return nil, invalidBinding(binding, errs)
	}
	return v.checkOthers(ctx, &signetv1alpha1.SignatureBinding{}, binding)
}

// ValidateUpdate checks the rules for what has changed, and warns.
func (v *bindingValidator) ValidateUpdate(ctx context.Context, old, binding *signetv1alpha1.SignatureBinding) (admission.Warnings, error) {
	if !binding.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	if errs := validation.ValidateSignatureBindingUpdate(binding, old); len(errs) > 0 {
		return nil, invalidBinding(binding, errs)
	}
	if equality.Semantic.DeepEqual(old.Spec, binding.Spec) {
		return nil, nil // the warnings were given when the spec was written
	}
	return v.checkOthers(ctx, old, binding)
}

// ValidateDelete admits every deletion.
func (*bindingValidator) ValidateDelete(context.Context, *signetv1alpha1.SignatureBinding) (admission.Warnings, error) {
	return nil, nil
}

// checkOthers checks the key and the other claimants of the APIs. A failed lookup
// is a reason to refuse only with --reject-taken-slots, which is a promise.
func (v *bindingValidator) checkOthers(ctx context.Context, old, binding *signetv1alpha1.SignatureBinding) (admission.Warnings, error) {
	if warnings := notServedWarnings(binding.Namespace, v.stateOf); len(warnings) > 0 {
		return warnings, v.refuseUnchecked(binding)
	}
	found, err := v.claims.taken(binding)
	if err != nil && v.rejectTaken {
		return nil, apierrors.NewInternalError(err)
	}
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to check for taken APIs")
		return nil, nil
	}
	var warnings admission.Warnings
	name := client.ObjectKey{Namespace: binding.Namespace, Name: binding.Spec.KeyRef.Name}
	if key, err := kubeclient.GetOrNil[signetv1alpha1.SignatureKey](ctx, v.reader, name); err == nil {
		if warning := keyStateWarning(binding, key); warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if v.rejectTaken {
		before, err := v.claims.taken(old)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		if errs := rejections(newlyTaken(found, before, old, binding), binding.Spec.Environment); len(errs) > 0 {
			return warnings, invalidBinding(binding, errs)
		}
	}
	return append(warnings, takenWarnings(found, binding.Spec.Environment)...), nil
}

// refuseUnchecked refuses a binding in a namespace that is to be served but cannot be
// read, if taken APIs have to be refused. Where Signet does not work, it gives no API to
// any binding.
func (v *bindingValidator) refuseUnchecked(binding *signetv1alpha1.SignatureBinding) error {
	if known := v.stateOf(binding.Namespace); !v.rejectTaken || !known.Configured {
		return nil
	}
	return apierrors.NewForbidden(signetv1alpha1.GroupVersion.WithResource("signaturebindings").GroupResource(), binding.Name,
		errors.New("taken APIs are refused (--reject-taken-slots), which cannot be checked: the namespace is not served now"))
}

// newlyTaken returns the APIs that were not taken before: an existing conflict
// does not stop another change.
func newlyTaken(found, before []taken, old, binding *signetv1alpha1.SignatureBinding) []taken {
	if old.Spec.Environment != binding.Spec.Environment {
		return found
	}
	return slices.DeleteFunc(slices.Clone(found), func(t taken) bool {
		return slices.ContainsFunc(before, func(b taken) bool { return b.api == t.api })
	})
}

func rejections(found []taken, environment string) field.ErrorList {
	path := field.NewPath("spec", "apis")
	var errs field.ErrorList
	for i, t := range found {
		if i == maxNamed {
			return append(errs, field.Forbidden(path, moreTaken(len(found)-maxNamed)))
		}
		errs = append(errs, field.Forbidden(path.Index(t.position), t.state(environment)+": remove the API from one of the two bindings"))
	}
	return errs
}

func invalidBinding(binding *signetv1alpha1.SignatureBinding, errs field.ErrorList) error {
	return apierrors.NewInvalid(signetv1alpha1.GroupVersion.WithKind("SignatureBinding").GroupKind(), binding.Name, errs)
}
