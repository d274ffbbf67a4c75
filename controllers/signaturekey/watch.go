// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
)

// SetupWithManager completes the reconciler from the manager and registers it. The
// manager's caches must be those of manager.CacheOptions, and the indexes of
// package index must be registered.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, options Options) error {
	r.Live = mgr.GetAPIReader()
	r.Options = options
	r.Prepare(events.Recorder{Sink: mgr.GetEventRecorder(events.Reporter), Action: "Reconcile"})
	r.share, r.backoff = kubeclient.NewShare(options.Concurrency), kubeclient.NewBackoff()
	b := ctrl.NewControllerManagedBy(mgr).
		Named("signaturekey").
		Watches(&signetv1alpha1.SignatureKey{}, r.changeHandler(keyItself)).
		Watches(&corev1.Secret{}, r.changeHandler(r.keysOfSecret)).
		Watches(&signetv1alpha1.SignatureKey{}, handler.EnqueueRequestsFromMapFunc(r.keysOfSameSource),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.ConfigMap{}, r.changeHandler(r.keysOfPublic)).
		Watches(&signetv1alpha1.SignatureBinding{}, r.bindingHandler()).
		WatchesRawSource(source.Func(r.queue.Start)).
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Concurrency, RateLimiter: r.backoff})
	if options.ClusterWide {
		b = b.WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.keysOfNamespace),
			builder.WithPredicates(terminating()))
	}
	if r.Term.Served != nil {
		b = b.Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(r.keysOfRoleBinding))
	}
	return b.Complete(r)
}

// Prepare completes the reconciler. SetupWithManager calls it; without a manager,
// nothing wakes a key.
func (r *Reconciler) Prepare(recorder events.Recorder) {
	r.recorder, r.queue = recorder, &kubeclient.Enqueuer{}
	r.liveReads, r.rotations = newLiveReadCache(r.Clock), newRotationClock(r.Clock)
	r.refusedWrites, r.refusedStatuses = kubeclient.NewFailingWrites(r.Clock), kubeclient.NewFailingWrites(r.Clock)
	r.unsettled, r.sent = kubeclient.NewUnsettledWrites(), newSentSecrets()
	r.claims().Subscribe(func(namespace string, change slots.Change) {
		for _, name := range change.Keys {
			r.queue.Add(namespace, name)
		}
	})
}

// bindingHandler updates the claims, which tell which keys the change concerns.
func (r *Reconciler) bindingHandler() handler.EventHandler {
	update := func(object client.Object) {
		if binding, ok := object.(*signetv1alpha1.SignatureBinding); ok {
			r.claims().Update(binding)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ kubeclient.Queue) { update(e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ kubeclient.Queue) { update(e.ObjectNew) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ kubeclient.Queue) {
			if binding, ok := e.Object.(*signetv1alpha1.SignatureBinding); ok {
				r.claims().Delete(binding)
			}
		},
	}
}

// changeHandler enqueues the keys that a change concerns. A write of Signet is no news to
// the key that it was made for: that reconcile has seen to what follows.
func (r *Reconciler) changeHandler(concerned handler.MapFunc) handler.EventHandler {
	enqueue := func(ctx context.Context, q kubeclient.Queue, known bool, objects ...client.Object) {
		for _, object := range objects {
			for _, request := range concerned(ctx, object) {
				if !known || request.Name != keyOf(object) {
					q.Add(request)
				}
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q kubeclient.Queue) {
			enqueue(ctx, q, r.Written.Seen(e.Object), e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q kubeclient.Queue) {
			enqueue(ctx, q, r.Written.Seen(e.ObjectNew), e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q kubeclient.Queue) {
			r.Written.Seen(e.Object)
			r.unsettled.Forget(e.Object)
			enqueue(ctx, q, false, e.Object)
		},
	}
}

// keyOf returns the name of the key that the object is, or was written for.
func keyOf(object client.Object) string {
	if key, ok := object.(*signetv1alpha1.SignatureKey); ok {
		return key.Name
	}
	return object.GetLabels()[signetv1alpha1.LabelKey]
}

func keyItself(_ context.Context, key client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(key)}}
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

func (r *Reconciler) keysOfNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	return r.keysIn(ctx, namespace.GetName())
}

func (r *Reconciler) keysOfRoleBinding(ctx context.Context, roleBinding client.Object) []reconcile.Request {
	return r.keysIn(ctx, roleBinding.GetNamespace())
}

// keysIn returns all keys of a namespace, and those that are gone but have left a
// Secret.
func (r *Reconciler) keysIn(ctx context.Context, namespace string) []reconcile.Request {
	names := sets.New[string]()
	var keys signetv1alpha1.SignatureKeyList
	err := r.Client.List(ctx, &keys, client.InNamespace(namespace), client.UnsafeDisableDeepCopy)
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to find the keys of a namespace", "namespace", namespace)
	}
	for i := range keys.Items {
		names.Insert(keys.Items[i].Name)
	}
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ConfigMapList{}} {
		r.addKeysOf(ctx, names, namespace, list)
	}
	r.addUnlabeledOrphans(ctx, names, namespace)
	return requests(namespace, names)
}

// addKeysOf adds the keys that the objects of one kind were written for.
func (r *Reconciler) addKeysOf(ctx context.Context, names sets.Set[string], namespace string, list client.ObjectList) {
	err := r.Client.List(ctx, list, client.InNamespace(namespace), client.HasLabels{signetv1alpha1.LabelKey}, client.UnsafeDisableDeepCopy)
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to find the managed objects of a namespace", "namespace", namespace)
	}
	_ = meta.EachListItem(list, func(object runtime.Object) error {
		if object, ok := object.(client.Object); ok {
			names.Insert(object.GetLabels()[signetv1alpha1.LabelKey])
		}
		return nil
	})
}

// addUnlabeledOrphans adds the names of Secrets of Signet's type, and of ConfigMaps,
// that have its finalizer but lost its label: no cache shows them, and none may keep
// the namespace. Where no key has the name of such an object, reconcileDeleted releases
// it.
func (r *Reconciler) addUnlabeledOrphans(ctx context.Context, names sets.Set[string], namespace string) {
	configMaps := &metav1.PartialObjectMetadataList{}
	configMaps.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	r.addUnlabeled(ctx, names, namespace, configMaps)
	r.addUnlabeled(ctx, names, namespace, &corev1.SecretList{}, client.MatchingFields{"type": string(signetv1alpha1.SecretType)})
}

func (r *Reconciler) addUnlabeled(ctx context.Context, names sets.Set[string], namespace string, list client.ObjectList, options ...client.ListOption) {
	if err := r.Live.List(ctx, list, append(options, client.InNamespace(namespace))...); err != nil {
		logf.FromContext(ctx).Error(err, "Failed to list the protected objects of a namespace", "namespace", namespace)
	}
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		object, ok := item.(client.Object)
		if ok && object.GetLabels()[signetv1alpha1.LabelKey] == "" && signetv1alpha1.IsProtected(object) {
			r.liveReads.storeOrphan(client.ObjectKeyFromObject(object))
			names.Insert(object.GetName())
		}
		return nil
	})
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

// terminating selects namespaces that are being deleted.
func terminating() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		return object.GetDeletionTimestamp() != nil
	})
}
