// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/namespaces"
	"github.com/signet-dev/signet/internal/signer/snapshot"
)

const (
	// expireInterval is the time between two searches for vanished Secrets whose
	// material is to be dropped.
	expireInterval = 5 * time.Second
	// retryInterval is the time between two attempts to watch a kind, for example
	// while the cluster does not serve Signet's kinds.
	retryInterval = 2 * time.Second
)

// watcher feeds the store from the cluster. It only reads bindings, keys and
// managed Secrets.
type watcher struct {
	store   *snapshot.Store
	cache   cache.Cache
	metrics *Metrics
	logger  logr.Logger
	now     func() time.Time
}

// remedy is what to do about a namespace in which a permission is missing.
const remedy = "Create the namespace if it does not exist, and apply the signer's RoleBinding (config/signer/namespaced)"

// Permissions are those to watch the objects that the signer signs with.
func Permissions() []kubeclient.Permission {
	group, watch := signetv1alpha1.GroupVersion.Group, []string{"list", "watch"}
	return []kubeclient.Permission{
		{Group: group, Resource: "signaturekeys", Verbs: watch},
		{Group: group, Resource: "signaturebindings", Verbs: watch},
		{Resource: "secrets", Verbs: watch},
	}
}

// newCache returns the cache of all namespaces if none is named, else one of each.
func newCache(cluster *rest.Config, names []string, logger logr.Logger) (cache.Cache, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register API types: %w", err)
	}
	options := cacheOptions(scheme)
	if len(names) == 0 {
		return cache.New(cluster, options)
	}
	var err error
	if options.HTTPClient, err = rest.HTTPClientFor(cluster); err != nil {
		return nil, fmt.Errorf("create HTTP client: %w", err)
	}
	if options.Mapper, err = apiutil.NewDynamicRESTMapper(cluster, options.HTTPClient); err != nil {
		return nil, fmt.Errorf("create REST mapper: %w", err)
	}
	check, err := namespaces.NewCheck(cluster, namespaces.Requirements{Permissions: Permissions(), Remedy: remedy})
	if err != nil {
		return nil, err
	}
	return namespaces.New(cluster, options, namespaces.Options{Namespaces: names, Check: check, Logger: logger}), nil
}

// cacheOptions limit what is read and what of it is kept in memory.
func cacheOptions(scheme *runtime.Scheme) cache.Options {
	managed := labels.SelectorFromSet(labels.Set{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged})
	return cache.Options{
		Scheme:                      scheme,
		DefaultTransform:            compact,
		ReaderFailOnMissingInformer: true,
		ByObject:                    map[client.Object]cache.ByObject{&corev1.Secret{}: {Label: managed}},
	}
}

// compact keeps a bounded part of each object: any client may label a Secret, and fill
// it with what it likes. Of managedFields it keeps the time of the last write.
func compact(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil //nolint:nilerr // a tombstone has nothing to drop
	}
	if secret, ok := object.(*corev1.Secret); ok {
		keyplan.CompactSecret(secret)
	}
	var last *metav1.Time
	for _, entry := range accessor.GetManagedFields() {
		if entry.Time != nil && (last == nil || last.Before(entry.Time)) {
			last = entry.Time
		}
	}
	accessor.SetManagedFields(nil)
	if last != nil {
		accessor.SetManagedFields([]metav1.ManagedFieldsEntry{{Time: last}})
	}
	accessor.SetAnnotations(nil)
	return object, nil
}

func lastChange(object client.Object) time.Time {
	if fields := object.GetManagedFields(); len(fields) > 0 && fields[0].Time != nil {
		return fields[0].Time.Time
	}
	return time.Time{}
}

// run watches the cluster until the context ends. The store is complete once it
// contains everything that existed at the start, in the namespaces that are served.
func (w *watcher) run(ctx context.Context) error {
	synced, err := w.watch(ctx)
	switch {
	case ctx.Err() != nil:
		return nil // stopped before the cluster served the kinds
	case err != nil:
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- w.cache.Start(ctx) }()
	if w.cache.WaitForCacheSync(ctx) && toolscache.WaitForCacheSync(ctx.Done(), synced...) {
		w.store.Complete(w.now())
		complete := w.store.Snapshot()
		w.logger.Info("Completed the first snapshot", "slots", complete.Slots(), "secrets", complete.Secrets())
	}
	ticker := time.NewTicker(expireInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("watch the cluster: %w", err)
			}
			return nil
		case <-ticker.C:
			w.store.Expire(w.now())
		}
	}
}

// watch passes all objects and their changes to the store.
func (w *watcher) watch(ctx context.Context) ([]toolscache.InformerSynced, error) {
	bindings, err := watchKind(ctx, w, "SignatureBinding", &signetv1alpha1.SignatureBinding{}, w.store.SetBinding, w.store.RemoveBinding)
	if err != nil {
		return nil, err
	}
	keys, err := watchKind(ctx, w, "SignatureKey", &signetv1alpha1.SignatureKey{}, w.store.SetKey, w.store.RemoveKey)
	if err != nil {
		return nil, err
	}
	secrets, err := watchKind(ctx, w, "Secret", &corev1.Secret{}, w.store.SetSecret, w.store.RemoveSecret)
	return []toolscache.InformerSynced{bindings, keys, secrets}, err
}

func watchKind[T client.Object](
	ctx context.Context, w *watcher, kind string, empty T, set func(T, time.Time), remove func(namespace, name string, now time.Time),
) (toolscache.InformerSynced, error) {
	informer, err := w.informer(ctx, kind, empty)
	if err != nil {
		return nil, err
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(found any, initial bool) {
			if object, ok := found.(T); ok {
				set(object, w.now())
				if !initial {
					w.metrics.observeChange(kind, lastChange(object), w.now())
				}
			}
		},
		UpdateFunc: func(before, after any) {
			object, ok := after.(T)
			if !ok {
				return
			}
			set(object, w.now())
			if old, ok := before.(T); ok && old.GetResourceVersion() != object.GetResourceVersion() {
				w.metrics.observeChange(kind, lastChange(object), w.now())
			}
		},
		DeleteFunc: func(gone any) {
			if last, missed := gone.(toolscache.DeletedFinalStateUnknown); missed {
				gone = last.Obj
			}
			if object, ok := gone.(T); ok {
				remove(object.GetNamespace(), object.GetName(), w.now())
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", kind, err)
	}
	return registration.HasSynced, nil
}

// informer waits for the kind: a signer may start before the CRDs exist.
func (w *watcher) informer(ctx context.Context, kind string, empty client.Object) (cache.Informer, error) {
	for logged := false; ; {
		informer, err := w.cache.GetInformer(ctx, empty, cache.BlockUntilSynced(false))
		if err == nil {
			return informer, nil
		}
		if !meta.IsNoMatchError(err) {
			w.logger.Error(err, "Failed to watch kind, retrying", "kind", kind)
		} else if !logged {
			logged = true
			w.logger.Info("Waiting for the cluster to serve kind", "kind", kind)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("watch %s: %w", kind, ctx.Err())
		case <-time.After(retryInterval):
		}
	}
}
