package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// annotationTemplate remembers which labels and annotations of a managed Secret
// came from spec.secretTemplate, so that they go when the template drops them.
// Server-side apply would remember that by itself, but in managedFields: caches
// had to keep these, a backup loses them, and one patch could not both apply
// metadata and depend on the version of the data that it changes.
const annotationTemplate = "signet.dev/template-keys"

const (
	labelEntry      = "label:"
	annotationEntry = "annotation:"
)

var keyKind = signetv1alpha1.GroupVersion.WithKind("SignatureKey")

// ownedBy says that the Secret is of our type and for this key: by its label,
// or, should that have been taken off, as one that the key controls. Of its
// bytes, and of a second controller, it says nothing.
func ownedBy(secret *corev1.Secret, key *signetv1alpha1.SignatureKey) bool {
	if secret == nil || secret.Type != signetv1alpha1.SecretType {
		return false
	}
	name, labelled := secret.Labels[signetv1alpha1.LabelKey]
	return name == key.Name || (!labelled && metav1.IsControlledBy(secret, key))
}

// managed says that Signet has written the Secret, for whichever key.
func managed(secret *corev1.Secret) bool {
	_, labelled := secret.Labels[signetv1alpha1.LabelKey]
	return labelled || secret.Type == signetv1alpha1.SecretType ||
		secret.Labels[signetv1alpha1.LabelMaterial] == signetv1alpha1.MaterialManaged
}

// foreignController returns the owner that controls the object, if that is
// neither the key nor an earlier key of the same name.
func foreignController(object metav1.Object, key *signetv1alpha1.SignatureKey) *metav1.OwnerReference {
	controller := metav1.GetControllerOfNoCopy(object)
	if controller == nil || refersTo(*controller, key) {
		return nil
	}
	return controller
}

// refersTo says that the reference is to a key of this name, whatever its UID:
// after a restore the key has another one.
func refersTo(reference metav1.OwnerReference, key *signetv1alpha1.SignatureKey) bool {
	group, err := schema.ParseGroupVersion(reference.APIVersion)
	return err == nil && group.Group == keyKind.Group && reference.Kind == keyKind.Kind && reference.Name == key.Name
}

// setOwner brings the object's references to the key into line with its
// deletion policy. While the key is being deleted none is added: a deletion
// that orphans has to be able to take it off.
func setOwner(object metav1.Object, key *signetv1alpha1.SignatureKey) {
	var references []metav1.OwnerReference
	wanted := key.EffectiveDeletionPolicy() == signetv1alpha1.DeletionPolicyDelete
	found := false
	for _, reference := range object.GetOwnerReferences() {
		switch {
		case !refersTo(reference, key):
			references = append(references, reference)
		case wanted && !found && reference.UID == key.UID:
			found = true
			references = append(references, *metav1.NewControllerRef(key, keyKind))
		}
	}
	if wanted && !found && key.DeletionTimestamp.IsZero() {
		references = append(references, *metav1.NewControllerRef(key, keyKind))
	}
	object.SetOwnerReferences(references)
}

// setLabels puts our own labels on what we write for the key.
func setLabels(object metav1.Object, key *signetv1alpha1.SignatureKey) {
	labels := maps.Clone(object.GetLabels())
	if labels == nil {
		labels = map[string]string{}
	}
	labels[signetv1alpha1.LabelMaterial] = signetv1alpha1.MaterialManaged
	labels[signetv1alpha1.LabelKey] = key.Name
	labels[signetv1alpha1.LabelManagedBy] = signetv1alpha1.ManagedBy
	object.SetLabels(labels)
}

// setTemplate puts on the object what the template says and takes off what an
// earlier one said. Others' labels and annotations stay.
func setTemplate(object metav1.Object, template *signetv1alpha1.SecretTemplate) {
	if template == nil {
		template = &signetv1alpha1.SecretTemplate{}
	}
	labels, annotations := maps.Clone(object.GetLabels()), maps.Clone(object.GetAnnotations())
	for entry := range strings.SplitSeq(annotations[annotationTemplate], ",") {
		if name, ok := strings.CutPrefix(entry, labelEntry); ok {
			delete(labels, name)
		} else if name, ok := strings.CutPrefix(entry, annotationEntry); ok {
			delete(annotations, name)
		}
	}
	delete(annotations, annotationTemplate)
	labels = merged(labels, template.Labels)
	annotations = merged(annotations, template.Annotations)
	if entries := templateEntries(template); len(entries) > 0 {
		annotations = merged(annotations, map[string]string{annotationTemplate: strings.Join(entries, ",")})
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}

func templateEntries(template *signetv1alpha1.SecretTemplate) []string {
	var entries []string
	for _, name := range slices.Sorted(maps.Keys(template.Annotations)) {
		entries = append(entries, annotationEntry+name)
	}
	for _, name := range slices.Sorted(maps.Keys(template.Labels)) {
		entries = append(entries, labelEntry+name)
	}
	return entries
}

func merged[V ~string](have map[string]string, more map[string]V) map[string]string {
	if have == nil && len(more) > 0 {
		have = make(map[string]string, len(more))
	}
	for key, value := range more {
		have[key] = string(value)
	}
	return have
}

// describe says whose an object is, so that its owner can be asked. It tells
// metadata alone.
func describe(object metav1.Object, secretType corev1.SecretType) string {
	var facts []string
	if secretType != "" {
		facts = append(facts, fmt.Sprintf("type %s", secretType))
	}
	if key := object.GetLabels()[signetv1alpha1.LabelKey]; key != "" {
		facts = append(facts, fmt.Sprintf("made for SignatureKey %s", key))
	}
	if controller := metav1.GetControllerOfNoCopy(object); controller != nil {
		facts = append(facts, fmt.Sprintf("controlled by %s %s", controller.Kind, controller.Name))
	}
	if manager := object.GetLabels()[signetv1alpha1.LabelManagedBy]; manager != "" {
		facts = append(facts, fmt.Sprintf("managed by %s", manager))
	}
	if len(facts) == 0 {
		return "nothing tells whose"
	}
	return strings.Join(facts, ", ")
}
