// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"fmt"
	"unique"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/namespaces"
)

// CacheOptions returns the options of the caches that the reconcilers read. Of
// Secrets and ConfigMaps, only those labeled as material are watched, whatever else
// RBAC would allow.
func CacheOptions() (cache.Options, error) {
	labeled, err := labels.NewRequirement(signetv1alpha1.LabelMaterial, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("select objects labeled as material: %w", err)
	}
	material := cache.ByObject{Label: labels.NewSelector().Add(*labeled), Transform: compact}
	return cache.Options{
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: material, &corev1.ConfigMap{}: material,
			&signetv1alpha1.SignatureKey{}: {Transform: compact}, &signetv1alpha1.SignatureBinding{}: {Transform: compact},
			&rbacv1.RoleBinding{}: namespaces.RoleBindings(),
		},
	}, nil
}

// remedy is what to do about a namespace in which a permission is missing.
const remedy = "Create the namespace if it does not exist, and apply its RoleBinding (config/namespaced)"

// NewCache returns the function that creates the caches of a manager: one of all
// namespaces if none is named, else one of each.
func NewCache(names []string) cache.NewCacheFunc {
	if len(names) == 0 {
		return cache.New
	}
	return func(config *rest.Config, options cache.Options) (cache.Cache, error) {
		check, err := namespaces.NewCheck(config, namespaces.Requirements{
			Permissions: namespacePermissions(), Existence: true, Remedy: remedy,
			Optional: map[schema.GroupKind][]kubeclient.Permission{
				rbacv1.SchemeGroupVersion.WithKind("RoleBinding").GroupKind(): namespaces.RoleBindingPermissions(),
			},
		})
		if err != nil {
			return nil, err
		}
		return namespaces.New(config, options, namespaces.Options{Namespaces: names, Check: check}), nil
	}
}

// ServedNamespaces returns the cache of a manager with --namespaces, which knows which
// of them are served; nil without. Each kind that a controller follows is named, so
// that each namespace is served with all of them.
func ServedNamespaces(ctx context.Context, mgr ctrl.Manager) (*namespaces.Cache, error) {
	served, ok := mgr.GetCache().(*namespaces.Cache)
	if !ok {
		return nil, nil //nolint:nilnil // stands for all namespaces
	}
	for _, object := range []client.Object{
		&signetv1alpha1.SignatureKey{}, &signetv1alpha1.SignatureBinding{}, &corev1.Secret{}, &corev1.ConfigMap{}, &rbacv1.RoleBinding{},
	} {
		if _, err := served.GetInformer(ctx, object); err != nil {
			return nil, fmt.Errorf("follow %T: %w", object, err)
		}
	}
	return served, recheckAfterChanges(ctx, served)
}

// recheckAfterChanges checks a namespace at once when its RoleBinding changes or goes:
// watches do not end when a permission is lost.
func recheckAfterChanges(ctx context.Context, served *namespaces.Cache) error {
	informer, err := served.GetInformer(ctx, &rbacv1.RoleBinding{})
	if err != nil {
		return fmt.Errorf("follow RoleBindings: %w", err)
	}
	recheck := func(object any) {
		if last, missed := object.(toolscache.DeletedFinalStateUnknown); missed {
			object = last.Obj
		}
		if roleBinding, ok := object.(*rbacv1.RoleBinding); ok {
			served.Recheck(roleBinding.Namespace)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, after any) { recheck(after) }, DeleteFunc: recheck,
	})
	if err != nil {
		return fmt.Errorf("follow RoleBindings: %w", err)
	}
	return nil
}

// compact keeps a bounded part of each object, and lets objects share the texts that only
// have a few values: each is decoded into memory of its own, and a binding may have a
// thousand entries.
func compact(object any) (any, error) {
	object, err := cache.TransformStripManagedFields()(object)
	if err != nil {
		return object, err
	}
	switch object := object.(type) {
	case *signetv1alpha1.SignatureKey:
		compactMeta(&object.ObjectMeta, object.Status.Conditions)
	case *signetv1alpha1.SignatureBinding:
		compactMeta(&object.ObjectMeta, object.Status.Conditions)
		compactAPIs(object)
	case *corev1.Secret:
		keyplan.CompactSecret(object)
	case *corev1.ConfigMap:
		keyplan.CompactConfigMap(object)
	}
	return object, nil
}

func compactMeta(meta *metav1.ObjectMeta, conditions []metav1.Condition) {
	meta.Namespace, meta.Annotations = shared(meta.Namespace), nil
	for i := range meta.Finalizers {
		meta.Finalizers[i] = shared(meta.Finalizers[i])
	}
	for i := range conditions {
		condition := &conditions[i]
		condition.Type, condition.Status, condition.Reason = shared(condition.Type), shared(condition.Status), shared(condition.Reason)
	}
}

func compactAPIs(binding *signetv1alpha1.SignatureBinding) {
	binding.Spec.Environment, binding.Status.Environment = shared(binding.Spec.Environment), shared(binding.Status.Environment)
	for i := range binding.Spec.APIs {
		api := &binding.Spec.APIs[i]
		api.Group, api.Kind, api.Name = shared(api.Group), shared(api.Kind), shared(api.Name)
	}
	for i := range binding.Status.APIs {
		api := &binding.Status.APIs[i]
		api.Group, api.Kind, api.Name = shared(api.Group), shared(api.Kind), shared(api.Name)
		api.State, api.Message, api.Holder = shared(api.State), shared(api.Message), shared(api.Holder)
	}
}

func shared[T ~string](text T) T { return T(unique.Make(string(text)).Value()) }
