// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/manager"
)

// bare is the reference: the shortest controllers that make Signet's requests for a new
// HMAC key, its first binding and their deletion, with the same caches and number of
// workers, and without any decision or check.
type bare struct {
	client.Client
	events events.EventRecorder
	// done has what was written already, since caches lag behind.
	done sync.Map
}

// step is a write that is made once for an object.
type step struct {
	uid  types.UID
	name string
}

// once calls unless it has done so with success before.
func (b *bare) once(object client.Object, name string, call func() error) error {
	key := step{object.GetUID(), name}
	if _, found := b.done.Load(key); found {
		return nil
	}
	if err := call(); err != nil {
		return err
	}
	b.done.Store(key, true)
	return nil
}

// byKey is the index of bindings by the key that they name.
const byKey = "spec.keyRef.name"

func runBare(ctx context.Context, options manager.Options) error {
	log.SetLogger(options.Logger())
	config, err := clientcmd.BuildConfigFromFlags("", options.Kubeconfig)
	if err != nil {
		return fmt.Errorf("load kubeconfig: %w", err)
	}
	config.QPS = -1
	scheme, err := manager.Scheme()
	if err != nil {
		return err
	}
	caches, err := manager.CacheOptions()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Cache: caches, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		return fmt.Errorf("create bare manager: %w", err)
	}
	b := &bare{Client: mgr.GetClient(), events: mgr.GetEventRecorder("bare")}
	return errors.Join(b.setUp(ctx, mgr, options.Concurrency), mgr.Start(ctx))
}

func (b *bare) setUp(ctx context.Context, mgr ctrl.Manager, workers int) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &signetv1alpha1.SignatureBinding{}, byKey, func(object client.Object) []string {
		if binding, ok := object.(*signetv1alpha1.SignatureBinding); ok {
			return []string{binding.Spec.KeyRef.Name}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("index bindings: %w", err)
	}
	options := controller.Options{MaxConcurrentReconciles: workers}
	return errors.Join(
		ctrl.NewControllerManagedBy(mgr).For(&signetv1alpha1.SignatureKey{}).Owns(&corev1.Secret{}).
			Watches(&signetv1alpha1.SignatureBinding{}, handler.EnqueueRequestsFromMapFunc(keyOf)).
			WithOptions(options).Complete(reconcile.Func(b.reconcileKey)),
		ctrl.NewControllerManagedBy(mgr).For(&signetv1alpha1.SignatureBinding{}).
			Watches(&signetv1alpha1.SignatureKey{}, handler.EnqueueRequestsFromMapFunc(b.bindingsOf)).
			WithOptions(options).Complete(reconcile.Func(b.reconcileBinding)),
	)
}

func keyOf(_ context.Context, object client.Object) []ctrl.Request {
	binding, ok := object.(*signetv1alpha1.SignatureBinding)
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: binding.Namespace, Name: binding.Spec.KeyRef.Name}}}
}

func (b *bare) bindingsOf(ctx context.Context, key client.Object) []ctrl.Request {
	bindings, err := b.users(ctx, key)
	if err != nil {
		return nil
	}
	var requests []ctrl.Request
	for i := range bindings {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&bindings[i])})
	}
	return requests
}

// users returns the bindings that name the key.
func (b *bare) users(ctx context.Context, key client.Object) ([]signetv1alpha1.SignatureBinding, error) {
	list := &signetv1alpha1.SignatureBindingList{}
	err := b.List(ctx, list, client.InNamespace(key.GetNamespace()), client.MatchingFields{byKey: key.GetName()})
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	return list.Items, nil
}

// patch sends a merge patch without reading the object.
func (b *bare) patch(ctx context.Context, object client.Object, patch string) error {
	if err := b.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return fmt.Errorf("patch %T %s: %w", object, object.GetName(), err)
	}
	return nil
}
