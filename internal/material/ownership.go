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

// KeyKind is the kind of the owners of managed Secrets.
var KeyKind = signetv1alpha1.GroupVersion.WithKind("SignatureKey")

// IsOwnedBy reports whether the Secret has Signet's type and belongs to the key: by
// its label or, if that has been removed, because the key controls it. It checks
// neither the data nor whether another object controls the Secret.
func IsOwnedBy(secret *corev1.Secret, key *signetv1alpha1.SignatureKey) bool {
	if secret == nil || secret.Type != signetv1alpha1.SecretType {
		return false
	}
	name, labeled := secret.Labels[signetv1alpha1.LabelKey]
	return name == key.Name || (!labeled && metav1.IsControlledBy(secret, key))
}

// IsManaged reports whether Signet has written the Secret, for any key.
func IsManaged(secret *corev1.Secret) bool {
	_, labeled := secret.Labels[signetv1alpha1.LabelKey]
	return labeled || secret.Type == signetv1alpha1.SecretType ||
		secret.Labels[signetv1alpha1.LabelMaterial] == signetv1alpha1.MaterialManaged
}

// OtherController returns the owner that controls the object, if that is neither
// the key nor an earlier key of the same name; otherwise nil.
func OtherController(object metav1.Object, key *signetv1alpha1.SignatureKey) *metav1.OwnerReference {
	controller := metav1.GetControllerOfNoCopy(object)
	if controller == nil || RefersTo(*controller, key) {
		return nil
	}
	return controller
}

// RefersTo reports whether the reference names the key, whatever the UID: after a
// restore the key has another one.
func RefersTo(reference metav1.OwnerReference, key *signetv1alpha1.SignatureKey) bool {
	group, err := schema.ParseGroupVersion(reference.APIVersion)
	return err == nil && group.Group == KeyKind.Group && reference.Kind == KeyKind.Kind && reference.Name == key.Name
}

// DescribeOwner describes to whom an object belongs, from its metadata alone, so
// that the reader of a message knows whom to ask.
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
