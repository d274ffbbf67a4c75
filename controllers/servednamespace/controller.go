// SPDX-License-Identifier: Apache-2.0

package servednamespace

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/namespaces"
)

// leaveInterval is the time between two checks of what remains in a namespace that
// Signet leaves. Watches wake the controller earlier, but show only objects with
// Signet's labels.
const leaveInterval = 5 * time.Second

// Reconciler keeps the finalizer of the RoleBindings.
type Reconciler struct {
	// Client writes, as long as this replica holds the lease.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Served are the namespaces that are served; nil means all.
	Served *namespaces.Cache
}

// SetupWithManager adds the reconciler to a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(mgr).
		Named("servednamespace").
		For(&rbacv1.RoleBinding{}).
		WithOptions(controller.Options{RateLimiter: kubeclient.NewBackoff()})
	if r.Served != nil {
		b = b.Watches(&signetv1alpha1.SignatureKey{}, handler.EnqueueRequestsFromMapFunc(r.roleBindingOf)).
			Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.roleBindingOf))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up the controller of served namespaces: %w", err)
	}
	return nil
}

// roleBindingOf returns the RoleBinding of the object's namespace if Signet leaves it.
func (r *Reconciler) roleBindingOf(ctx context.Context, object client.Object) []reconcile.Request {
	if !r.Served.IsLeaving(ctx, object.GetNamespace()) {
		return nil
	}
	name := client.ObjectKey{Namespace: object.GetNamespace(), Name: namespaces.RoleBindingName}
	return []reconcile.Request{{NamespacedName: name}}
}

// Join adds the finalizer to the RoleBinding of a namespace, if there is one. The
// caller may then add finalizers in the namespace.
func (r *Reconciler) Join(ctx context.Context, namespace string) error {
	name := client.ObjectKey{Namespace: namespace, Name: namespaces.RoleBindingName}
	_, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: name})
	return err
}

// Reconcile adds the finalizer to the RoleBinding of a namespace, or removes it.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	roleBinding, err := r.read(ctx, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	next := plan(roleBinding, r.Served == nil)
	if next == leave {
		keys, others, err := r.remaining(ctx, request.Namespace)
		if err != nil {
			return ctrl.Result{}, err
		}
		if next = planLeave(keys, others); next == keep {
			return ctrl.Result{RequeueAfter: leaveInterval}, nil
		}
	}
	return ctrl.Result{}, r.apply(ctx, roleBinding, next)
}

// read returns the RoleBinding; nil if there is none, or if it cannot be read in a
// namespace that is served without it.
func (r *Reconciler) read(ctx context.Context, name client.ObjectKey) (*rbacv1.RoleBinding, error) {
	if r.Served != nil {
		return r.Served.RoleBinding(ctx, name.Namespace), nil
	}
	return kubeclient.GetOrNil[rbacv1.RoleBinding](ctx, r.Client, name)
}

// remaining returns the keys of the namespace, and the metadata of what Signet may have
// protected for them. The lists do not go by labels, which the objects may have lost.
func (r *Reconciler) remaining(ctx context.Context, namespace string) ([]signetv1alpha1.SignatureKey, []metav1.ObjectMeta, error) {
	var keys signetv1alpha1.SignatureKeyList
	if err := r.Live.List(ctx, &keys, client.InNamespace(namespace)); err != nil {
		return nil, nil, fmt.Errorf("list the SignatureKeys of a namespace to leave: %w", err)
	}
	var others []metav1.ObjectMeta
	for kind, selector := range map[string]client.MatchingFields{
		"Secret": {"type": string(signetv1alpha1.SecretType)}, "ConfigMap": {},
	} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind + "List"))
		if err := r.Live.List(ctx, list, client.InNamespace(namespace), selector); err != nil {
			return nil, nil, fmt.Errorf("list the %ss of a namespace to leave: %w", kind, err)
		}
		for i := range list.Items {
			others = append(others, list.Items[i].ObjectMeta)
		}
	}
	return keys.Items, others, nil
}

// apply writes the finalizer, if the RoleBinding is still as it was observed.
func (r *Reconciler) apply(ctx context.Context, roleBinding *rbacv1.RoleBinding, next action) error {
	if next == keep {
		return nil
	}
	after := roleBinding.DeepCopy()
	if next == add {
		controllerutil.AddFinalizer(after, signetv1alpha1.FinalizerNamespace)
	} else {
		controllerutil.RemoveFinalizer(after, signetv1alpha1.FinalizerNamespace)
	}
	patch := client.MergeFromWithOptions(roleBinding, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("%s of RoleBinding %s: %w", next, client.ObjectKeyFromObject(roleBinding), err)
	}
	return nil
}
