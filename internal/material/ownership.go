// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

var KeyKind = signetv1alpha1.GroupVersion.WithKind("SignatureKey")

// IsOwnedBy says that the Secret is of our type and for this key: by its label,
// or, should that have been taken off, as one that the key controls. Of its
// bytes, and of a second controller, it says nothing.
func IsOwnedBy(secret *corev1.Secret, key *signetv1alpha1.SignatureKey) bool {
	if secret == nil || secret.Type != signetv1alpha1.SecretType {
		return false
	}
	name, labelled := secret.Labels[signetv1alpha1.LabelKey]
	return name == key.Name || (!labelled && metav1.IsControlledBy(secret, key))
}

// IsManaged says that Signet has written the Secret, for whichever key.
func IsManaged(secret *corev1.Secret) bool {
	_, labelled := secret.Labels[signetv1alpha1.LabelKey]
	return labelled || secret.Type == signetv1alpha1.SecretType ||
		secret.Labels[signetv1alpha1.LabelMaterial] == signetv1alpha1.MaterialManaged
}

// OtherController returns the owner that controls the object, if that is
// neither the key nor an earlier key of the same name.
func OtherController(object metav1.Object, key *signetv1alpha1.SignatureKey) *metav1.OwnerReference {
	controller := metav1.GetControllerOfNoCopy(object)
	if controller == nil || RefersTo(*controller, key) {
		return nil
	}
	return controller
}

// RefersTo says that the reference is to a key of this name, whatever its UID:
// after a restore the key has another one.
func RefersTo(reference metav1.OwnerReference, key *signetv1alpha1.SignatureKey) bool {
	group, err := schema.ParseGroupVersion(reference.APIVersion)
	return err == nil && group.Group == KeyKind.Group && reference.Kind == KeyKind.Kind && reference.Name == key.Name
}

// DescribeOwner says whose an object is, so that its owner can be asked. It tells
// metadata alone.
func DescribeOwner(object metav1.Object, secretType corev1.SecretType) string {
	var facts []string
	if secretType != "" {
		facts = append(facts, fmt.Sprintf("type %s", secretType))
	}
	if key := object.GetLabels()[signetv1alpha1.LabelKey]; key != "" {
		facts = append(facts, fmt.Sprintf("created for SignatureKey %q", key))
	}
	if controller := metav1.GetControllerOfNoCopy(object); controller != nil {
		facts = append(facts, fmt.Sprintf("controlled by %s %q", controller.Kind, controller.Name))
	}
	if manager := object.GetLabels()[signetv1alpha1.LabelManagedBy]; manager != "" {
		facts = append(facts, fmt.Sprintf("managed by %q", manager))
	}
	if len(facts) == 0 {
		return "its owner is unknown"
	}
	return strings.Join(facts, ", ")
}
