// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// CacheOptions returns the options of the caches that the reconcilers read,
// which cover all namespaces if none is named. Of Secrets and ConfigMaps, only
// those labeled as material are watched, whatever else RBAC would allow.
func CacheOptions(namespaces []string) (cache.Options, error) {
	labeled, err := labels.NewRequirement(signetv1alpha1.LabelMaterial, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select objects labeled as material: %w", err)
	}
	material := cache.ByObject{Label: labels.NewSelector().Add(*labeled)}
	options := cache.Options{
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: material, &corev1.ConfigMap{}: material,
			&signetv1alpha1.SignatureBinding{}: {Transform: compact},
		},
	}
	if len(namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	return options, nil
}

// compact lets the entries of bindings share the texts that only have a few values: a
// binding may have a thousand, and each is decoded into memory of its own.
func compact(object any) (any, error) {
	object, err := cache.TransformStripManagedFields()(object)
	binding, ok := object.(*signetv1alpha1.SignatureBinding)
	if err != nil || !ok {
		return object, err
	}
	for i := range binding.Spec.APIs {
		api := &binding.Spec.APIs[i]
		api.Group, api.Kind = shared(api.Group), shared(api.Kind)
	}
	for i := range binding.Status.APIs {
		api := &binding.Status.APIs[i]
		api.Group, api.Kind, api.State, api.Message = shared(api.Group), shared(api.Kind), shared(api.State), shared(api.Message)
	}
	return binding, nil
}

func shared[T ~string](text T) T { return T(unique.Make(string(text)).Value()) }
