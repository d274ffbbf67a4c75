// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
)

// SetupWithManager completes the reconciler from the manager and registers it. The
// manager's caches must be those of manager.CacheOptions, and the indexes of
// package index must be registered.
//
// Signet's own writes wake the key again. Such a reconcile costs no request, and
// it notices a status or Secret that another client has changed.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, options Options) error {
	r.Live = mgr.GetAPIReader()
	r.Options = options
	r.recorder = events.Recorder{Sink: mgr.GetEventRecorder(events.Reporter), Action: "Reconcile"}
	r.expected, r.liveReads, r.rotations = newExpectations(r.Clock), newLiveReadCache(r.Clock), newRotationClock(r.Clock)
	r.refusedWrites, r.refusedStatuses = kubeclient.NewFailingWrites(r.Clock), kubeclient.NewFailingWrites(r.Clock)
	b := ctrl.NewControllerManagedBy(mgr).
		Named("signaturekey").
		For(&signetv1alpha1.SignatureKey{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.keysOfSecret)).
		Watches(&signetv1alpha1.SignatureKey{}, handler.EnqueueRequestsFromMapFunc(r.keysOfSameSource),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.keysOfPublic)).
		Watches(&signetv1alpha1.SignatureBinding{}, handler.EnqueueRequestsFromMapFunc(keysOfBinding),
			builder.WithPredicates(useChanged())).
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Concurrency, RateLimiter: kubeclient.NewBackoff()})
	if options.ClusterWide {
		b = b.WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.keysOfNamespace),
			builder.WithPredicates(terminating()))
	}
	return b.Complete(r)
}

// keysOfSecret returns the key in the Secret's label, and the keys that name the
// Secret as their managed or source Secret.
func (r *Reconciler) keysOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	names := sets.New(secret.GetLabels()[signetv1alpha1.LabelKey])
	for _, field := range []string{index.KeySecretName, index.KeySource} {
		r.addKeysBy(ctx, names, field, secret.GetNamespace(), secret.GetName())
	}
	return requests(secret.GetNamespace(), names)
}

// addKeysBy adds the names of the keys that an index has for a Secret.
func (r *Reconciler) addKeysBy(ctx context.Context, names sets.Set[string], field, namespace, secret string) {
	var keys signetv1alpha1.SignatureKeyList
	err := r.Client.List(ctx, &keys, client.InNamespace(namespace), client.MatchingFields{field: secret}, client.UnsafeDisableDeepCopy)
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to find the keys of a Secret", "namespace", namespace, "secret", secret)
	}
	for i := range keys.Items {
		names.Insert(keys.Items[i].Name)
	}
}

// keysOfSameSource returns the other keys with the same source: their type
// decides whether this one may use it.
func (r *Reconciler) keysOfSameSource(ctx context.Context, object client.Object) []reconcile.Request {
	key, ok := object.(*signetv1alpha1.SignatureKey)
	if !ok || key.SourceName() == "" {
		return nil
	}
	names := sets.New[string]()
	r.addKeysBy(ctx, names, index.KeySource, key.Namespace, key.SourceName())
	return requests(key.Namespace, names.Delete(key.Name))
}

// keysOfPublic returns the key in the ConfigMap's label, and the keys whose public
// ConfigMap has this name: one that belongs to another owner blocks them.
func (r *Reconciler) keysOfPublic(ctx context.Context, configMap client.Object) []reconcile.Request {
	names := sets.New(configMap.GetLabels()[signetv1alpha1.LabelKey])
	if secret, named := strings.CutSuffix(configMap.GetName(), signetv1alpha1.PublicConfigMapSuffix); named {
		r.addKeysBy(ctx, names, index.KeySecretName, configMap.GetNamespace(), secret)
	}
	return requests(configMap.GetNamespace(), names)
}

func keysOfBinding(_ context.Context, object client.Object) []reconcile.Request {
	binding, ok := object.(*signetv1alpha1.SignatureBinding)
	if !ok {
		return nil
	}
	return requests(binding.Namespace, sets.New(index.KeyNames(binding)...))
}

// keysOfNamespace returns all keys of a namespace, and those that are gone but
// have left a Secret.
func (r *Reconciler) keysOfNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	names := sets.New[string]()
	var keys signetv1alpha1.SignatureKeyList
	err := r.Client.List(ctx, &keys, client.InNamespace(namespace.GetName()), client.UnsafeDisableDeepCopy)
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to find the keys of a namespace", "namespace", namespace.GetName())
	}
	for i := range keys.Items {
		names.Insert(keys.Items[i].Name)
	}
	var secrets corev1.SecretList
	err = r.Client.List(ctx, &secrets, client.InNamespace(namespace.GetName()),
		client.HasLabels{signetv1alpha1.LabelKey}, client.UnsafeDisableDeepCopy)
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to find the managed Secrets of a namespace", "namespace", namespace.GetName())
	}
	for i := range secrets.Items {
		names.Insert(secrets.Items[i].Labels[signetv1alpha1.LabelKey])
	}
	r.addUnlabeledOrphans(ctx, names, namespace.GetName())
	return requests(namespace.GetName(), names)
}

// addUnlabeledOrphans adds the names of Secrets of Signet's type that have its
// finalizer but lost its label: no cache shows them, and none may keep the namespace.
// Where no key has the name of such a Secret, reconcileDeleted releases it.
func (r *Reconciler) addUnlabeledOrphans(ctx context.Context, names sets.Set[string], namespace string) {
	var secrets corev1.SecretList
	err := r.Live.List(ctx, &secrets, client.InNamespace(namespace), client.MatchingFields{"type": string(signetv1alpha1.SecretType)})
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to list the managed Secrets of a namespace", "namespace", namespace)
		return
	}
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if _, labeled := secret.Labels[signetv1alpha1.LabelKey]; !labeled && controllerutil.ContainsFinalizer(secret, signetv1alpha1.FinalizerProtection) {
			r.liveReads.storeOrphan(client.ObjectKeyFromObject(secret))
			names.Insert(secret.Name)
		}
	}
}

func requests(namespace string, names sets.Set[string]) []reconcile.Request {
	list := make([]reconcile.Request, 0, len(names))
	for name := range names {
		if name != "" {
			list = append(list, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
		}
	}
	return list
}

// useChanged selects the changes of a binding that matter to its keys: a key has
// one reconcile for a thousand APIs that become Bound, not a thousand.
func useChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*signetv1alpha1.SignatureBinding)
		after, okAfter := e.ObjectNew.(*signetv1alpha1.SignatureBinding)
		if !ok || !okAfter {
			return true
		}
		if !sets.New(index.KeyNames(before)...).Equal(sets.New(index.KeyNames(after)...)) {
			return true
		}
		for _, key := range index.KeyNames(after) {
			if slots.RecordsKey(before, key) != slots.RecordsKey(after, key) || slots.HoldsWith(before, key) != slots.HoldsWith(after, key) {
				return true
			}
		}
		return false
	}}
}

// terminating selects namespaces that are being deleted.
func terminating() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		return object.GetDeletionTimestamp() != nil
	})
}
