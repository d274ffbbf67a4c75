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

const (
	// maxOwners is how many owners of an object caches keep. A plan replaces all of them.
	maxOwners = 16
	// maxTemplate is the length of the longest record of a template that caches keep. A
	// plan replaces another one.
	maxTemplate = 64 << 10
	// maxAnnotation is longer than a template allows.
	maxAnnotation = 4 << 10
)

// CompactSecret removes what no plan depends on, so that a cache has a bounded part of
// each Secret. A patch leaves alone what it does not know.
func CompactSecret(secret *corev1.Secret) {
	secret.Data = material.Bounded(secret.Data)
	compactMetadata(secret)
}

// CompactConfigMap does the same with a ConfigMap.
func CompactConfigMap(configMap *corev1.ConfigMap) {
	configMap.Data = material.Bounded(configMap.Data)
	configMap.BinaryData = material.Bounded(configMap.BinaryData)
	compactMetadata(configMap)
}

// compactMetadata keeps Signet's labels and annotations, and those of the template. It
// keeps all finalizers, because a patch replaces them as a list.
func compactMetadata(object metav1.Object) {
	annotations := object.GetAnnotations()
	if len(annotations[annotationTemplate]) > maxTemplate {
		delete(annotations, annotationTemplate)
	}
	labelNames := []string{
		signetv1alpha1.LabelMaterial, signetv1alpha1.LabelKey, signetv1alpha1.LabelManagedBy,
	}
	annotationNames := []string{annotationTemplate, signetv1alpha1.AnnotationFencingToken}
	for entry := range strings.SplitSeq(annotations[annotationTemplate], ",") {
		if name, ok := strings.CutPrefix(entry, labelEntry); ok {
			labelNames = append(labelNames, name)
		} else if name, ok := strings.CutPrefix(entry, annotationEntry); ok {
			annotationNames = append(annotationNames, name)
		}
	}
	object.SetLabels(only(object.GetLabels(), labelNames))
	object.SetAnnotations(only(annotations, annotationNames))
	for name, value := range annotations {
		if len(value) > maxAnnotation && name != annotationTemplate {
			annotations[name] = strings.Clone(value[:maxAnnotation+1])
		}
	}
	if owners := object.GetOwnerReferences(); len(owners) > maxOwners {
		object.SetOwnerReferences(slices.Clone(owners[:maxOwners]))
	}
}

// only keeps the named entries.
func only(entries map[string]string, names []string) map[string]string {
	maps.DeleteFunc(entries, func(name, _ string) bool { return !slices.Contains(names, name) })
	return entries
}
