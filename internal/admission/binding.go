package admission

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/rules"
	"github.com/signet-dev/signet/internal/slots"
)

type bindingValidator struct {
	reader      client.Reader
	clock       clock.PassiveClock
	rejectTaken bool
}

// taken is an API of a binding that another binding visibly has.
type taken struct {
	at     int
	api    signetv1alpha1.APIReference
	holder string
}

// ValidateCreate asks the rules, and warns of what the binding will wait for.
func (v *bindingValidator) ValidateCreate(ctx context.Context, binding *signetv1alpha1.SignatureBinding) (admission.Warnings, error) {
	return v.validate(ctx, binding, rules.ValidateBinding(binding))
}

// ValidateUpdate asks the rules about what has changed, and warns.
func (v *bindingValidator) ValidateUpdate(ctx context.Context, old, binding *signetv1alpha1.SignatureBinding) (admission.Warnings, error) {
	if !binding.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return v.validate(ctx, binding, rules.ValidateBindingUpdate(binding, old))
}

// ValidateDelete lets every binding go.
func (*bindingValidator) ValidateDelete(context.Context, *signetv1alpha1.SignatureBinding) (admission.Warnings, error) {
	return nil, nil
}

func (v *bindingValidator) validate(ctx context.Context, binding *signetv1alpha1.SignatureBinding, errs field.ErrorList) (admission.Warnings, error) {
	if len(errs) > 0 {
		return nil, invalidBinding(binding, errs)
	}
	found, err := v.taken(ctx, binding)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	var warnings admission.Warnings
	if warning := v.keyState(ctx, binding); warning != "" {
		warnings = append(warnings, warning)
	}
	if v.rejectTaken {
		for _, t := range found {
			errs = append(errs, field.Forbidden(field.NewPath("spec", "apis").Index(t.at), takenMessage(t.api, binding.Spec.Environment, t.holder)))
		}
		return warnings, invalidBinding(binding, errs)
	}
	for i, t := range found {
		if i == maxNamed {
			warnings = append(warnings, fmt.Sprintf("spec.apis: %d more are held by other bindings", len(found)-maxNamed))
			break
		}
		warnings = append(warnings, fmt.Sprintf("spec.apis[%d]: %s", t.at, takenMessage(t.api, binding.Spec.Environment, t.holder)))
	}
	return warnings, nil
}

func (v *bindingValidator) keyState(ctx context.Context, binding *signetv1alpha1.SignatureBinding) string {
	name := binding.Spec.KeyRef.Name
	key := &signetv1alpha1.SignatureKey{}
	err := v.reader.Get(ctx, types.NamespacedName{Namespace: binding.Namespace, Name: name}, key)
	switch {
	case apierrors.IsNotFound(err):
		return keyStateWarning(name, nil)
	case err != nil:
		return "" // a warning is not worth a refusal
	default:
		return keyStateWarning(name, key)
	}
}

// taken finds the APIs that another binding has, as far as the cache shows.
func (v *bindingValidator) taken(ctx context.Context, binding *signetv1alpha1.SignatureBinding) ([]taken, error) {
	var found []taken
	created := binding.CreationTimestamp.Time
	if created.IsZero() {
		created = v.clock.Now().Add(time.Second) // younger than all that is there
	}
	for i, api := range binding.Spec.APIs {
		claims, err := v.claims(ctx, binding, api)
		if err != nil {
			return nil, err
		}
		claims = append(claims, slots.Claim{Binding: binding.Name, Created: created, BoundAt: boundAt(binding, binding.Spec.Environment, api)})
		if holder := slots.Holder(claims); holder != binding.Name {
			found = append(found, taken{at: i, api: api, holder: holder})
		}
	}
	return found, nil
}

// claims are those of all other bindings to the API.
func (v *bindingValidator) claims(ctx context.Context, binding *signetv1alpha1.SignatureBinding, api signetv1alpha1.APIReference) ([]slots.Claim, error) {
	var others signetv1alpha1.SignatureBindingList
	err := v.reader.List(ctx, &others, client.InNamespace(binding.Namespace),
		client.MatchingFields{index.BindingSlots: index.Slot(binding.Spec.Environment, api)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("look up who has %s %s: %w", api.Kind, api.Name, err)
	}
	claims := make([]slots.Claim, 0, len(others.Items)+1)
	for i := range others.Items {
		other := &others.Items[i]
		if other.Name != binding.Name && other.DeletionTimestamp.IsZero() {
			claims = append(claims, slots.Claim{
				Binding: other.Name, Created: other.CreationTimestamp.Time,
				BoundAt: boundAt(other, binding.Spec.Environment, api),
			})
		}
	}
	return claims, nil
}

func boundAt(binding *signetv1alpha1.SignatureBinding, environment string, api signetv1alpha1.APIReference) time.Time {
	if binding.Status.Environment != environment {
		return time.Time{}
	}
	for i := range binding.Status.APIs {
		mark := &binding.Status.APIs[i]
		if mark.Kind == api.Kind && mark.Name == api.Name && mark.BoundAt != nil {
			return mark.BoundAt.Time
		}
	}
	return time.Time{}
}

func invalidBinding(binding *signetv1alpha1.SignatureBinding, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(signetv1alpha1.GroupVersion.WithKind("SignatureBinding").GroupKind(), binding.Name, errs)
}
