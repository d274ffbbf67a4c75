// Package index holds the indexes of the manager's caches: controllers and
// webhooks find related objects by them instead of listing a namespace.
package index

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// The names of the indexes. None is a field that the API server selects by.
const (
	// BindingSlots finds SignatureBindings by the slots they list or hold; the
	// value is made by Slot.
	BindingSlots = "signet.slots"
	// BindingKeys finds SignatureBindings by the keys they name in spec or
	// status.
	BindingKeys = "signet.keys"
	// KeySource finds SignatureKeys by the name of their source Secret.
	KeySource = "signet.source"
	// KeySecretName finds SignatureKeys by the name of their managed Secret.
	KeySecretName = "signet.secret"
)

// Setup registers all indexes. Call it before the caches start.
func Setup(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		object client.Object
		name   string
		values client.IndexerFunc
	}{
		{&signetv1alpha1.SignatureBinding{}, BindingSlots, slotsOf},
		{&signetv1alpha1.SignatureBinding{}, BindingKeys, keysOf},
		{&signetv1alpha1.SignatureKey{}, KeySource, sourceOf},
		{&signetv1alpha1.SignatureKey{}, KeySecretName, secretOf},
	} {
		if err := indexer.IndexField(ctx, index.object, index.name, index.values); err != nil {
			return fmt.Errorf("index %T by %s: %w", index.object, index.name, err)
		}
	}
	return nil
}

// Slot is the value of BindingSlots for an API in an environment.
func Slot(environment string, api signetv1alpha1.APIReference) string {
	return environment + "/" + string(api.Kind) + "/" + api.Name
}

func slotsOf(object client.Object) []string {
	binding, ok := object.(*signetv1alpha1.SignatureBinding)
	if !ok {
		return nil
	}
	values := make([]string, 0, len(binding.Spec.APIs))
	for _, api := range binding.Spec.APIs {
		values = append(values, Slot(binding.Spec.Environment, api))
	}
	for i := range binding.Status.APIs {
		if mark := &binding.Status.APIs[i]; mark.BoundAt != nil {
			values = append(values, Slot(binding.Status.Environment, signetv1alpha1.NewAPIReference(mark.Kind, mark.Name)))
		}
	}
	return distinct(values)
}

func keysOf(object client.Object) []string {
	binding, ok := object.(*signetv1alpha1.SignatureBinding)
	if !ok {
		return nil
	}
	return KeyNames(binding)
}

// KeyNames returns the names of the keys that a binding names in spec or status,
// each once.
func KeyNames(binding *signetv1alpha1.SignatureBinding) []string {
	values := []string{binding.Spec.KeyRef.Name, binding.Status.KeyName}
	for i := range binding.Status.PreviousKeys {
		values = append(values, binding.Status.PreviousKeys[i].Name)
	}
	return distinct(values)
}

func sourceOf(object client.Object) []string {
	key, ok := object.(*signetv1alpha1.SignatureKey)
	if !ok {
		return nil
	}
	return distinct([]string{key.SourceName()})
}

func secretOf(object client.Object) []string {
	key, ok := object.(*signetv1alpha1.SignatureKey)
	if !ok {
		return nil
	}
	return []string{key.EffectiveTargetName()}
}

// distinct drops empty values and repeated ones.
func distinct(values []string) []string {
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) > 0 && values[0] == "" {
		values = values[1:]
	}
	return values
}
