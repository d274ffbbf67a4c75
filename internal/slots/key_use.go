// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"slices"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// UsesKey reports whether the binding uses the key and therefore delays its
// deletion: by its status, or because it names the key and is not younger than the
// key's deletion.
func UsesKey(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) bool {
	if RecordsKey(binding, key.Name) {
		return true
	}
	return binding.Spec.KeyRef.Name == key.Name && !isYoungerThanDeletion(binding, key)
}

// RecordsKey reports whether the key signs or verifies for the binding by the
// binding's status.
func RecordsKey(binding *signetv1alpha1.SignatureBinding, key string) bool {
	return statusRecordsKey(&binding.Status, key)
}

func statusRecordsKey(status *signetv1alpha1.SignatureBindingStatus, key string) bool {
	return slices.Contains(recordedKeys(status), key)
}

// HoldsWith reports whether the binding holds an API for which the key signs or
// verifies: the key's material must not be lost, and must change only through a
// rotation (invariant 2).
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

// CreatedAfterDeletion reports whether the binding was created after the deletion
// of the key that it names, and never had a key: it is no claimant, and does not
// delay the deletion.
func CreatedAfterDeletion(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) bool {
	return binding.Status.KeyName == "" && !key.DeletionTimestamp.IsZero() && !UsesKey(binding, key)
}

// isYoungerThanDeletion compares whole seconds: a binding of the same second
// counts as older. A binding that is being admitted has no creation time yet: it
// is created now.
func isYoungerThanDeletion(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) bool {
	if key.DeletionTimestamp.IsZero() {
		return false
	}
	return binding.CreationTimestamp.IsZero() || binding.CreationTimestamp.After(key.DeletionTimestamp.Time)
}

// TerminatingUnprotected reports whether the key is being deleted and can no longer
// be protected: an object that is being deleted accepts no new finalizer.
func TerminatingUnprotected(key *signetv1alpha1.SignatureKey) bool {
	return !key.DeletionTimestamp.IsZero() && !signetv1alpha1.IsProtected(key)
}
