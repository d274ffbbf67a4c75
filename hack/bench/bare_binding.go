// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// reconcileBinding adds the finalizers of the key and its Secret, and writes the status
// with all APIs as bound.
func (b *bare) reconcileBinding(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	binding := &signetv1alpha1.SignatureBinding{}
	if err := b.Get(ctx, request.NamespacedName, binding); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if binding.DeletionTimestamp != nil || binding.Status.KeyName == binding.Spec.KeyRef.Name {
		return ctrl.Result{}, nil
	}
	key := &signetv1alpha1.SignatureKey{}
	if err := b.Get(ctx, client.ObjectKey{Namespace: binding.Namespace, Name: binding.Spec.KeyRef.Name}, key); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if key.Status.KeyID == "" || key.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // the watch of the key wakes the binding
	}
	return ctrl.Result{}, b.once(binding, "bind", func() error { return b.bind(ctx, binding, key) })
}

func (b *bare) bind(ctx context.Context, binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) error {
	meta := metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}
	for _, object := range []client.Object{&signetv1alpha1.SignatureKey{ObjectMeta: meta}, &corev1.Secret{ObjectMeta: meta}} {
		if err := b.patch(ctx, object, protect); err != nil {
			return err
		}
	}
	gen.Holding(metav1.Now().Time)(binding)
	binding.Status.ObservedGeneration, binding.Status.DisplayName = binding.Generation, key.Status.DisplayName
	setCondition(&binding.Status.Conditions, binding.Generation, signetv1alpha1.ConditionReady, metav1.ConditionTrue,
		signetv1alpha1.ReasonBound, fmt.Sprintf("All %d APIs are bound to key %q.", len(binding.Spec.APIs), key.Name))
	if err := b.Status().Update(ctx, binding); err != nil {
		return fmt.Errorf("write status of binding: %w", err)
	}
	b.events.Eventf(binding, nil, corev1.EventTypeNormal, "Bound", "Reconcile", "All APIs are bound.")
	return nil
}
