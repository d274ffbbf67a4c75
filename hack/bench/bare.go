// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/manager"
)

// bare is the reference: the shortest loop with the writes of a new HMAC key, a
// Secret, a status and two Events, and without any checks.
type bare struct {
	client.Client
	events events.EventRecorder
}

func runBare(ctx context.Context, options manager.Options) error {
	config, err := clientcmd.BuildConfigFromFlags("", options.Kubeconfig)
	if err != nil {
		return fmt.Errorf("load kubeconfig: %w", err)
	}
	config.QPS = -1
	scheme, err := manager.Scheme()
	if err != nil {
		return err
	}
	namespaces := map[string]cache.Config{}
	for _, namespace := range options.Namespaces {
		namespaces[namespace] = cache.Config{}
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Cache: cache.Options{DefaultNamespaces: namespaces},
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		return fmt.Errorf("create bare manager: %w", err)
	}
	err = ctrl.NewControllerManagedBy(mgr).For(&signetv1alpha1.SignatureKey{}).Owns(&corev1.Secret{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Concurrency}).
		Complete(&bare{Client: mgr.GetClient(), events: mgr.GetEventRecorder("bare")})
	return errors.Join(err, mgr.Start(ctx))
}

// Reconcile creates the Secret and writes the status.
func (b *bare) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	key := &signetv1alpha1.SignatureKey{}
	if err := b.Get(ctx, request.NamespacedName, key); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if key.Status.KeyID != "" {
		return ctrl.Result{}, nil
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Type:       signetv1alpha1.SecretType,
		Data: map[string][]byte{
			"key": []byte(rand.Text()), "secret": []byte(rand.Text() + rand.Text()), "key-id": []byte(rand.Text()),
		},
	}
	if err := controllerutil.SetControllerReference(key, secret, b.Scheme()); err != nil {
		return ctrl.Result{}, fmt.Errorf("set owner of Secret: %w", err)
	}
	if err := b.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return ctrl.Result{}, fmt.Errorf("create Secret: %w", err)
	}
	before := key.DeepCopy()
	key.Status.KeyID = string(secret.Data["key-id"])
	key.Status.Identifier = string(secret.Data["key"])
	key.Status.SecretName, key.Status.ObservedGeneration = secret.Name, key.Generation
	meta.SetStatusCondition(&key.Status.Conditions, metav1.Condition{
		Type: signetv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: signetv1alpha1.ReasonReady,
		Message: fmt.Sprintf("The material is in Secret %q.", key.Name), ObservedGeneration: key.Generation,
	})
	if err := b.Status().Patch(ctx, key, client.MergeFrom(before)); err != nil {
		return ctrl.Result{}, fmt.Errorf("write status: %w", err)
	}
	b.events.Eventf(key, nil, corev1.EventTypeNormal, "Generated", "Reconcile", "Generated new material.")
	b.events.Eventf(key, nil, corev1.EventTypeNormal, "Ready", "Reconcile", "The material is in Secret %q.", key.Name)
	return ctrl.Result{}, nil
}
