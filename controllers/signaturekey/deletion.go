// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
)

// orphans are what a key that no longer exists has left: objects that are being deleted
// and that Signet's finalizer keeps. In a namespace that Signet leaves, all with the
// finalizer are.
type orphans struct {
	// secrets are kept for a key that may be restored, but not in a namespace that is
	// being deleted.
	secrets []client.Object
	// collected are Secrets that the garbage collector deletes, or a user, with the key
	// that owns them. No key can be restored with its UID. They are kept while the
	// status of a binding names the key.
	collected []client.Object
	// public are ConfigMaps. Nothing is ever read from them.
	public []client.Object
}

// reconcileDeleted handles what a key that is gone has left.
func (r *Reconciler) reconcileDeleted(ctx context.Context, key types.NamespacedName) (ctrl.Result, error) {
	r.liveReads.forget(key)
	r.rotations.forget(key)
	r.sent.forget(key)
	r.forgetWrites(&signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
	left, err := r.observeOrphans(ctx, key)
	if err != nil || len(left.secrets)+len(left.collected)+len(left.public) == 0 {
		return ctrl.Result{}, err
	}
	released, waiting := left.public, false
	claims := r.claims().Namespace(key.Namespace)
	if !claims.IsPrimed() {
		return ctrl.Result{}, nil // the namespace is no longer served
	}
	use := claims.Use(&signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Name: key.Name}})
	if use.Recorded || use.MayHold {
		left.secrets = append(left.secrets, left.collected...)
	} else {
		released = append(released, left.collected...)
	}
	if len(left.secrets) > 0 {
		release, err := r.mayReleaseSecrets(ctx, key.Namespace)
		if err != nil {
			return ctrl.Result{}, err
		}
		if waiting = !release; release {
			released = append(released, left.secrets...)
		}
	}
	if err := r.releaseOrphans(ctx, key, released); err != nil {
		return ctrl.Result{}, err
	}
	if waiting && !r.ClusterWide {
		// No watch reports that the namespace is being deleted, too.
		return ctrl.Result{RequeueAfter: keyplan.LiveReadInterval}, nil
	}
	return ctrl.Result{}, nil
}

// mayReleaseSecrets reports whether no key can be restored in the namespace, or whether
// Signet leaves it.
func (r *Reconciler) mayReleaseSecrets(ctx context.Context, namespace string) (bool, error) {
	if r.Term.Served.IsLeaving(ctx, namespace) {
		return true, nil
	}
	return r.namespaceTerminating(ctx, namespace, true)
}

// releaseOrphans removes the finalizers, unless the caches do not show the key yet.
func (r *Reconciler) releaseOrphans(ctx context.Context, name types.NamespacedName, objects []client.Object) error {
	if len(objects) == 0 {
		return nil
	}
	key, err := kubeclient.GetOrNil[signetv1alpha1.SignatureKey](ctx, r.Live, name)
	if err != nil || key != nil {
		return err // the watch that shows the key wakes it
	}
	for _, object := range objects {
		if err := r.removeOrphanProtection(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// observeOrphans reads the objects with the key's label, and those of this name that
// have lost it.
func (r *Reconciler) observeOrphans(ctx context.Context, key types.NamespacedName) (orphans, error) {
	var (
		left       orphans
		secrets    corev1.SecretList
		configMaps corev1.ConfigMapList
	)
	for _, list := range []client.ObjectList{&secrets, &configMaps} {
		err := r.Client.List(ctx, list, client.InNamespace(key.Namespace), client.MatchingLabels{signetv1alpha1.LabelKey: key.Name})
		if err != nil {
			return left, fmt.Errorf("list the objects of SignatureKey %s: %w", key, err)
		}
	}
	if r.liveReads.takeOrphan(key) {
		if err := r.readUnlabeled(ctx, key, &secrets, &configMaps); err != nil {
			return left, err
		}
	}
	leaving := r.Term.Served.IsLeaving(ctx, key.Namespace)
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if orphan, err := r.isOrphan(ctx, secret, leaving); err != nil {
			return left, err
		} else if !orphan {
			continue
		}
		if metav1.GetControllerOfNoCopy(secret) != nil {
			left.collected = append(left.collected, secret)
		} else {
			left.secrets = append(left.secrets, secret)
		}
	}
	for i := range configMaps.Items {
		if orphan, err := r.isOrphan(ctx, &configMaps.Items[i], leaving); err != nil {
			return left, err
		} else if orphan {
			left.public = append(left.public, &configMaps.Items[i])
		}
	}
	return left, nil
}

// readUnlabeled adds the objects of this name, which no cache shows.
func (r *Reconciler) readUnlabeled(ctx context.Context, name types.NamespacedName, secrets *corev1.SecretList, configMaps *corev1.ConfigMapList) error {
	secret, err := kubeclient.GetOrNil[corev1.Secret](ctx, r.Live, name)
	if err != nil {
		return err
	}
	if secret != nil && secret.Type == signetv1alpha1.SecretType {
		secrets.Items = append(secrets.Items, *secret)
	}
	configMap, err := kubeclient.GetOrNil[corev1.ConfigMap](ctx, r.Live, name)
	if err != nil {
		return err
	}
	if configMap != nil {
		configMaps.Items = append(configMaps.Items, *configMap)
	}
	return nil
}

// isOrphan reports whether Signet's finalizer keeps the object for no key. The label
// names the key that it was written for, but any writer can have changed that: an object
// that a key has on record is that key's.
func (r *Reconciler) isOrphan(ctx context.Context, object client.Object, leaving bool) (bool, error) {
	if !signetv1alpha1.IsProtected(object) || (!leaving && object.GetDeletionTimestamp().IsZero()) {
		return false, nil
	}
	name := object.GetName()
	if _, isPublic := object.(*corev1.ConfigMap); isPublic {
		name = strings.TrimSuffix(name, signetv1alpha1.PublicConfigMapSuffix)
	}
	var keys signetv1alpha1.SignatureKeyList
	err := r.Client.List(ctx, &keys, client.InNamespace(object.GetNamespace()),
		client.MatchingFields{index.KeySecretName: name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("find the key of %s: %w", client.ObjectKeyFromObject(object), err)
	}
	for i := range keys.Items {
		if isObjectOf(object, kubeclient.Newest(r.Written, &keys.Items[i])) {
			return false, nil
		}
	}
	return true, nil
}

// isObjectOf reports whether the object is the key's managed Secret or public ConfigMap.
func isObjectOf(object client.Object, key *signetv1alpha1.SignatureKey) bool {
	switch object := object.(type) {
	case *corev1.Secret:
		return material.IsOwnedBy(object, key)
	case *corev1.ConfigMap:
		return object.Name == key.PublicConfigMapName() && key.Spec.Type == signetv1alpha1.KeyTypePublicKey && keyplan.OwnsPublic(object, key)
	default:
		return false
	}
}
