// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
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
	r.refusedWrites.Forget(key)
	r.refusedStatuses.Forget(key)
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
		switch secret := &secrets.Items[i]; {
		case !isOrphan(secret, leaving):
		case metav1.GetControllerOfNoCopy(secret) != nil:
			left.collected = append(left.collected, secret)
		default:
			left.secrets = append(left.secrets, secret)
		}
	}
	for i := range configMaps.Items {
		if isOrphan(&configMaps.Items[i], leaving) {
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

func isOrphan(object client.Object, leaving bool) bool {
	return (leaving || !object.GetDeletionTimestamp().IsZero()) && controllerutil.ContainsFinalizer(object, signetv1alpha1.FinalizerProtection)
}
