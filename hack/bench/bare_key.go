// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

const (
	protect = `{"metadata":{"finalizers":["` + signetv1alpha1.FinalizerProtection + `"]}}`
	release = `{"metadata":{"finalizers":null}}`
)

// reconcileKey creates the Secret and writes the status, reports the first binding, and
// removes the finalizers after the last.
func (b *bare) reconcileKey(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	key := &signetv1alpha1.SignatureKey{}
	if err := b.Get(ctx, request.NamespacedName, key); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	bindings, err := b.users(ctx, key)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case len(key.Finalizers) > 0 && (len(bindings) == 0 || key.DeletionTimestamp != nil):
		return ctrl.Result{}, b.once(key, "release", func() error { return b.releaseKey(ctx, key) })
	case key.DeletionTimestamp != nil:
		return ctrl.Result{}, nil
	case key.Status.KeyID == "":
		return ctrl.Result{}, b.once(key, "generate", func() error { return b.generate(ctx, key) })
	case len(bindings) > 0 && bindings[0].Status.KeyName == key.Name && !meta.IsStatusConditionTrue(key.Status.Conditions, signetv1alpha1.ConditionInUse):
		return ctrl.Result{}, b.once(key, "use", func() error { return b.reportUse(ctx, key, bindings[0].Name) })
	default:
		return ctrl.Result{}, nil
	}
}

// releaseKey removes the finalizers, that of the key last.
func (b *bare) releaseKey(ctx context.Context, key *signetv1alpha1.SignatureKey) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := b.patch(ctx, secret, release); client.IgnoreNotFound(err) != nil {
		return err
	}
	return client.IgnoreNotFound(b.patch(ctx, &signetv1alpha1.SignatureKey{ObjectMeta: *key.ObjectMeta.DeepCopy()}, release))
}

// generate creates a Secret with the entries of Signet's, and the status and Event of a
// new key.
func (b *bare) generate(ctx context.Context, key *signetv1alpha1.SignatureKey) error {
	now := metav1.Now()
	entries := map[string]string{
		"type": string(key.Spec.Type), "display-name": key.Name, "key": rand.Text(), "secret": rand.Text() + rand.Text(),
		"key-id": rand.Text(), "created": now.Format(time.RFC3339), "activated": now.Format(time.RFC3339), "checksum": rand.Text() + rand.Text(),
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{
			signetv1alpha1.LabelMaterial: "managed", signetv1alpha1.LabelKey: key.Name, signetv1alpha1.LabelManagedBy: "signet",
		}},
		Type: signetv1alpha1.SecretType, Data: map[string][]byte{},
	}
	for name, value := range entries {
		secret.Data[name] = []byte(value)
	}
	if err := controllerutil.SetControllerReference(key, secret, b.Scheme()); err != nil {
		return fmt.Errorf("set owner of Secret: %w", err)
	}
	if err := b.Create(ctx, secret); client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("create Secret: %w", err)
	}
	before, status := key.DeepCopy(), &key.Status
	status.KeyID, status.Identifier, status.DisplayName = entries["key-id"], entries["key"], key.Name
	status.SecretName, status.SecretUID, status.ObservedGeneration = secret.Name, string(secret.UID), key.Generation
	status.Versions = []signetv1alpha1.KeyVersion{{
		ID: status.KeyID, State: signetv1alpha1.VersionActive, Digest: entries["checksum"], Created: &now, Activated: &now,
	}}
	status.Bindings = &signetv1alpha1.KeyBindings{}
	setCondition(&status.Conditions, key.Generation, signetv1alpha1.ConditionReady, metav1.ConditionTrue, signetv1alpha1.ReasonReady,
		fmt.Sprintf("The material is in Secret %q.", key.Name))
	setCondition(&status.Conditions, key.Generation, signetv1alpha1.ConditionInUse, metav1.ConditionFalse, "NotBound", "No binding uses the key.")
	setCondition(&status.Conditions, key.Generation, signetv1alpha1.ConditionRotating, metav1.ConditionFalse, "NotRotating", "No rotation is in progress.")
	if err := b.patchStatus(ctx, key, before); err != nil {
		return err
	}
	b.events.Eventf(key, nil, corev1.EventTypeNormal, "Ready", "Reconcile", "The material is in Secret %q.", key.Name)
	return nil
}

// reportUse writes that a binding uses the key.
func (b *bare) reportUse(ctx context.Context, key *signetv1alpha1.SignatureKey, binding string) error {
	before := key.DeepCopy()
	key.Status.Bindings = &signetv1alpha1.KeyBindings{Count: 1, Names: []string{binding}}
	setCondition(&key.Status.Conditions, key.Generation, signetv1alpha1.ConditionInUse, metav1.ConditionTrue, "Bound", "1 binding uses the key.")
	return b.patchStatus(ctx, key, before)
}

func (b *bare) patchStatus(ctx context.Context, key, before *signetv1alpha1.SignatureKey) error {
	if err := b.Status().Patch(ctx, key, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("write status of key: %w", err)
	}
	return nil
}

func setCondition(conditions *[]metav1.Condition, generation int64, name string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: name, Status: value, Reason: reason, Message: message, ObservedGeneration: generation,
	})
}
