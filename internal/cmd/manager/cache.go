// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"fmt"

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
		ByObject:                    map[client.Object]cache.ByObject{&corev1.Secret{}: material, &corev1.ConfigMap{}: material},
	}
	if len(namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	return options, nil
}
