package admission

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/rules"
)

type keyValidator struct {
	reader           client.Reader
	publicKeyEnabled bool
}

// ValidateCreate asks the rules, and the gate for PublicKey.
func (v *keyValidator) ValidateCreate(_ context.Context, key *signetv1alpha1.SignatureKey) (admission.Warnings, error) {
	errs := rules.ValidateKey(key)
	if key.Spec.Type == signetv1alpha1.KeyTypePublicKey && !v.publicKeyEnabled {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "type"),
			"type PublicKey is not enabled: run the manager with --public-key-enable, or choose HMAC"))
	}
	return keyWarnings(key), invalidKey(key, errs)
}

// ValidateUpdate asks the rules about what has changed.
func (v *keyValidator) ValidateUpdate(_ context.Context, old, key *signetv1alpha1.SignatureKey) (admission.Warnings, error) {
	if !key.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return keyWarnings(key), invalidKey(key, rules.ValidateKeyUpdate(key, old))
}

// ValidateDelete warns that bindings will hold the key.
func (v *keyValidator) ValidateDelete(ctx context.Context, key *signetv1alpha1.SignatureKey) (admission.Warnings, error) {
	var bindings signetv1alpha1.SignatureBindingList
	err := v.reader.List(ctx, &bindings, client.InNamespace(key.Namespace),
		client.MatchingFields{index.BindingKeys: key.Name}, client.UnsafeDisableDeepCopy)
	if err != nil || len(bindings.Items) == 0 {
		return nil, nil // a warning is not worth a refusal
	}
	names := make([]string, 0, len(bindings.Items))
	for i := range bindings.Items {
		names = append(names, bindings.Items[i].Name)
	}
	slices.Sort(names)
	return admission.Warnings{boundWarning(key.Name, names)}, nil
}

func invalidKey(key *signetv1alpha1.SignatureKey, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(signetv1alpha1.GroupVersion.WithKind("SignatureKey").GroupKind(), key.Name, errs)
}

// maxNamed is how many objects a warning names.
const maxNamed = 10

func boundWarning(key string, bindings []string) string {
	more := ""
	if len(bindings) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(bindings)-maxNamed)
		bindings = bindings[:maxNamed]
	}
	return fmt.Sprintf("SignatureKey %s is bound and goes only when its bindings are gone: %s%s", key, join(bindings), more)
}
