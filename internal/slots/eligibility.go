package slots

import (
	"slices"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// UsesKey says that the binding uses the key, and so holds its deletion: by its
// status, or because it names the key and is not younger than its deletion.
func UsesKey(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) bool {
	if RecordsKey(binding, key.Name) {
		return true
	}
	if binding.Spec.KeyRef.Name != key.Name {
		return false
	}
	return key.DeletionTimestamp.IsZero() || !binding.CreationTimestamp.After(key.DeletionTimestamp.Time)
}

// RecordsKey says that the key signs or verifies for the binding by its status.
func RecordsKey(binding *signetv1alpha1.SignatureBinding, key string) bool {
	return binding.Status.KeyName == key || slices.ContainsFunc(binding.Status.PreviousKeys,
		func(previous signetv1alpha1.PreviousKey) bool { return previous.Name == key })
}

// HoldsWith says that the binding holds an API for which the key signs or
// verifies: the key's material must not be lost, nor change but by a rotation.
func HoldsWith(binding *signetv1alpha1.SignatureBinding, key string) bool {
	if !RecordsKey(binding, key) {
		return false
	}
	for i := range binding.Status.APIs {
		if binding.Status.APIs[i].BoundAt != nil {
			return true
		}
	}
	return false
}

// CreatedAfterDeletion says that the binding was made after its key's deletion and has
// had no key before: it holds nothing, and does not hold up the key.
func CreatedAfterDeletion(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) bool {
	return binding.Status.KeyName == "" && !key.DeletionTimestamp.IsZero() && !UsesKey(binding, key)
}

// TerminatingUnprotected says that the key goes and cannot be held: an object
// that is being deleted takes no finalizer.
func TerminatingUnprotected(key *signetv1alpha1.SignatureKey) bool {
	return !key.DeletionTimestamp.IsZero() && !slices.Contains(key.Finalizers, signetv1alpha1.FinalizerProtection)
}
