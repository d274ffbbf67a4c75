// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// KeyKind is the kind of the owners of managed Secrets.
var KeyKind = signetv1alpha1.GroupVersion.WithKind("SignatureKey")

// Ownership is to whom the Secret with the name of a key's managed Secret belongs.
// Any writer of a Secret can set its labels and owners, so they are believed only
// where nothing else is known.
type Ownership string

const (
	// Own means that the Secret has the UID on record, whatever its labels and owners.
	Own Ownership = "Own"
	// Adoptable means that no UID is on record, and that the Secret is what Signet
	// leaves for the key. If the UID on record is gone, the Secret also has no owner,
	// and the bytes on record.
	Adoptable Ownership = "Adoptable"
	// Unproven means that the UID on record is gone, and that the Secret would be
	// adoptable if there were no record.
	Unproven Ownership = "Unproven"
	// Collected means that the owner of the Secret is an earlier key of the same name.
	// The garbage collector removes it.
	Collected Ownership = "Collected"
	// OfOther means that the Secret belongs to another owner.
	OfOther Ownership = "OfOther"
	// OtherType means that the Secret is labeled for the key, but contains material of
	// another type or algorithm.
	OtherType Ownership = "OtherType"
	// NoMaterial means that the Secret is labeled for the key, but contains nothing
	// that Signet has written.
	NoMaterial Ownership = "NoMaterial"
)

// OwnershipOf classifies a Secret with the name of the key's managed Secret. If it
// does not have the UID on record, the caller must know that no Secret has it.
func OwnershipOf(secret *corev1.Secret, key *signetv1alpha1.SignatureKey) Ownership {
	recorded := key.Status.SecretUID
	switch {
	case secret.Type == signetv1alpha1.SecretType && recorded != "" && recorded == string(secret.UID):
		return Own
	case OwnedByEarlier(secret, key):
		return Collected
	case secret.Type != signetv1alpha1.SecretType || !isLeftFor(secret, key):
		return OfOther
	}
	set, err := Decode(secret.Data)
	switch {
	case err != nil:
		return NoMaterial
	case set.Type != key.Spec.Type || set.Algorithm != key.Spec.Algorithm:
		return OtherType
	case recorded == "", len(secret.OwnerReferences) == 0 && set.ActiveMatches(key.Status.Versions):
		return Adoptable
	default:
		return Unproven
	}
}

// IsOwnedBy reports whether the Secret belongs to the key by its metadata: it has
// the UID on record or, without a record, is left for the key. It does not check
// the data.
func IsOwnedBy(secret *corev1.Secret, key *signetv1alpha1.SignatureKey) bool {
	switch {
	case secret == nil || secret.Type != signetv1alpha1.SecretType:
		return false
	case key.Status.SecretUID != "":
		return key.Status.SecretUID == string(secret.UID)
	default:
		return isLeftFor(secret, key)
	}
}

// isLeftFor reports whether the object is labeled for the key and has no owner
// except the key itself.
func isLeftFor(object metav1.Object, key *signetv1alpha1.SignatureKey) bool {
	return object.GetLabels()[signetv1alpha1.LabelKey] == key.Name &&
		!slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
			return owner.UID != key.UID || !refersTo(owner, key)
		})
}

// IsPublicOwnedBy reports whether a ConfigMap with the name of the key's public one
// belongs to the key by its metadata: it is labeled for the key, and all its owners
// are keys of the name. It holds no secret, so that an earlier key's does.
func IsPublicOwnedBy(public *corev1.ConfigMap, key *signetv1alpha1.SignatureKey) bool {
	return public.Labels[signetv1alpha1.LabelKey] == key.Name && !HasOtherOwner(public, key)
}

// OwnedByEarlier reports whether all owners of the object are keys of this name, and
// one has another UID. Since names are unique, that key is gone, or this one is and
// the cache does not show it yet.
func OwnedByEarlier(object metav1.Object, key *signetv1alpha1.SignatureKey) bool {
	return !HasOtherOwner(object, key) &&
		slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool { return owner.UID != key.UID })
}

// HasOtherOwner reports whether an owner of the object is anything but a key of this
// name, whatever its UID.
func HasOtherOwner(object metav1.Object, key *signetv1alpha1.SignatureKey) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool { return !refersTo(owner, key) })
}

// IsManaged reports whether Signet has written the Secret, for any key.
func IsManaged(secret *corev1.Secret) bool {
	_, labeled := secret.Labels[signetv1alpha1.LabelKey]
	return labeled || secret.Type == signetv1alpha1.SecretType ||
		secret.Labels[signetv1alpha1.LabelMaterial] == signetv1alpha1.MaterialManaged
}

// refersTo reports whether the reference names the key, whatever the UID.
func refersTo(owner metav1.OwnerReference, key *signetv1alpha1.SignatureKey) bool {
	group, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && group.Group == KeyKind.Group && owner.Kind == KeyKind.Kind && owner.Name == key.Name
}

// DescribeOwner describes to whom an object belongs, from its metadata alone, so
// that the reader of a message knows whom to ask.
func DescribeOwner(object metav1.Object, secretType corev1.SecretType) string {
	var facts []string
	if secretType != "" {
		facts = append(facts, fmt.Sprintf("type %s", secretType))
	}
	if key, labeled := object.GetLabels()[signetv1alpha1.LabelKey]; !labeled && secretType == signetv1alpha1.SecretType {
		facts = append(facts, "without the label "+signetv1alpha1.LabelKey)
	} else if key != "" {
		facts = append(facts, fmt.Sprintf("created for SignatureKey %q", key))
	}
	if controller := metav1.GetControllerOfNoCopy(object); controller != nil {
		facts = append(facts, fmt.Sprintf("controlled by %s %q", controller.Kind, controller.Name))
	} else if owners := object.GetOwnerReferences(); len(owners) > 0 {
		facts = append(facts, fmt.Sprintf("owned by %s %q", owners[0].Kind, owners[0].Name))
	}
	if manager := object.GetLabels()[signetv1alpha1.LabelManagedBy]; manager != "" {
		facts = append(facts, fmt.Sprintf("managed by %q", manager))
	}
	if len(facts) == 0 {
		return "its owner is unknown"
	}
	return strings.Join(facts, ", ")
}
