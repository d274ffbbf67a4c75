// SPDX-License-Identifier: Apache-2.0

package gen

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// ObjectOption changes the metadata of an object of any kind.
type ObjectOption func(client.Object)

func (o ObjectOption) applyToKey(key *signetv1alpha1.SignatureKey)             { o(key) }
func (o ObjectOption) applyToBinding(binding *signetv1alpha1.SignatureBinding) { o(binding) }
func (o ObjectOption) applyToSecret(secret *corev1.Secret)                     { o(secret) }
func (o ObjectOption) applyToGateway(gateway *gwapiv1.Gateway)                 { o(gateway) }
func (o ObjectOption) applyToHTTPRoute(route *gwapiv1.HTTPRoute)               { o(route) }

// InNamespace sets the namespace.
func InNamespace(namespace string) ObjectOption {
	return func(object client.Object) { object.SetNamespace(namespace) }
}

// WithUID sets the UID, for stores that do not assign one.
func WithUID(uid types.UID) ObjectOption {
	return func(object client.Object) { object.SetUID(uid) }
}

// WithGeneration sets the generation, for stores that do not count it.
func WithGeneration(generation int64) ObjectOption {
	return func(object client.Object) { object.SetGeneration(generation) }
}

// WithFinalizers replaces the finalizers.
func WithFinalizers(finalizers ...string) ObjectOption {
	return func(object client.Object) { object.SetFinalizers(finalizers) }
}

// WithLabels adds labels.
func WithLabels(labels map[string]string) ObjectOption {
	return func(object client.Object) {
		all := object.GetLabels()
		if all == nil {
			all = map[string]string{}
		}
		for name, value := range labels {
			all[name] = value
		}
		object.SetLabels(all)
	}
}

// CreatedAt sets the creation time, for stores that do not set it.
func CreatedAt(created time.Time) ObjectOption {
	return func(object client.Object) { object.SetCreationTimestamp(metav1.NewTime(created)) }
}

// DeletedAt marks the object as terminating. Stores accept it only with a
// finalizer.
func DeletedAt(deleted time.Time) ObjectOption {
	return func(object client.Object) { object.SetDeletionTimestamp(&metav1.Time{Time: deleted}) }
}
