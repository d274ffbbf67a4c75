// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// annotationTemplate lists the labels and annotations of a managed Secret that
// came from spec.target.template, so that they are removed when the template
// drops them. Server-side apply would record that in managedFields, but caches
// would have to keep those, backups lose them, and one patch could not both
// apply metadata and depend on the version of the data that it changes.
const annotationTemplate = "signet.dev/template-keys"

const (
	labelEntry      = "label:"
	annotationEntry = "annotation:"
)

// desiredSecret returns the managed Secret with the next material. What other
// clients have added to it besides data stays.
func (p *planner) desiredSecret() *corev1.Secret {
	desired := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Key.Namespace, Name: p.Key.EffectiveTargetName()},
		Type:       signetv1alpha1.SecretType,
	}
	if p.Secret != nil {
		desired = p.Secret.DeepCopy()
	}
	if !p.specInvalid {
		setTemplate(desired, p.Key.Spec.Target.Template)
	}
	setLabels(desired, p.Key)
	setOwner(desired, p.Key)
	p.protect(desired)
	desired.Data = p.next.Encode()
	return desired
}

// protect adds the finalizer to an object of a key that holds APIs. The API server
// accepts none for an object that is being deleted.
func (p *planner) protect(object metav1.Object) {
	if p.HasHolder && object.GetDeletionTimestamp().IsZero() && !p.NamespaceTerminating && !signetv1alpha1.IsProtected(object) {
		object.SetFinalizers(append(object.GetFinalizers(), signetv1alpha1.FinalizerProtection))
	}
}

// desiredPublic returns the public ConfigMap with the given data.
func (p *planner) desiredPublic(data map[string]string) *corev1.ConfigMap {
	desired := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Key.Namespace, Name: p.Key.PublicConfigMapName()},
	}
	if p.Public != nil {
		desired = p.Public.DeepCopy()
	}
	setLabels(desired, p.Key)
	setOwner(desired, p.Key)
	p.protect(desired)
	desired.Data, desired.BinaryData = data, nil
	return desired
}

// setOwner makes the key the only owner of the object, or removes all owners, as
// its deletion policy demands: with another owner, the garbage collector would
// delete or keep the object against that policy. While the key is being deleted no
// reference is added, because a deletion that orphans has to be able to remove it.
//
// An existing object gets a reference only after a live read of the key, see
// NeedsLiveKey.
func setOwner(object metav1.Object, key *signetv1alpha1.SignatureKey) {
	wanted := key.EffectiveDeletionPolicy() == signetv1alpha1.DeletionPolicyDelete
	var owners []metav1.OwnerReference
	if wanted && (refersTo(object, key) || key.DeletionTimestamp.IsZero()) {
		owners = append(owners, *metav1.NewControllerRef(key, material.KeyKind))
	}
	object.SetOwnerReferences(owners)
}

// refersTo reports whether the object has a reference to the key with its UID.
func refersTo(object metav1.Object, key *signetv1alpha1.SignatureKey) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(reference metav1.OwnerReference) bool {
		return reference.UID == key.UID
	})
}

// setLabels sets the labels of an object that Signet writes for the key.
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

// setTemplate adds the template's labels and annotations to the object and
// removes those of an earlier template. It leaves all others alone.
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
