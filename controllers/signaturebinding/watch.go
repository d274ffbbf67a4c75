// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/status"
)

// bindingHandler enqueues the binding and updates the claims, which tell what the change
// concerns. Its own write is no news to the binding.
func (r *Reconciler) bindingHandler() handler.EventHandler {
	update := func(object client.Object, q kubeclient.Queue) {
		if binding, ok := object.(*signetv1alpha1.SignatureBinding); ok {
			r.claims().Update(binding)
			if !r.Written.Seen(binding) {
				q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(binding)})
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q kubeclient.Queue) { update(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q kubeclient.Queue) { update(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q kubeclient.Queue) {
			if binding, ok := e.Object.(*signetv1alpha1.SignatureBinding); ok {
				r.Written.Seen(binding)
				r.claims().Delete(binding)
				q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(binding)})
			}
		},
	}
}

// keyHandler enqueues the bindings of a key when something changes that they depend
// on. A rotation changes nothing of that kind. Whether the key is being deleted decides
// which of them are claimants: then the claims tell which others that concerns.
func (r *Reconciler) keyHandler() handler.EventHandler {
	observe := func(object client.Object, present bool) (namespace, name string) {
		namespace, name = object.GetNamespace(), object.GetName()
		if key, ok := object.(*signetv1alpha1.SignatureKey); ok && present {
			r.claims().ObserveKey(namespace, name, key)
		} else {
			r.claims().ObserveKey(namespace, name, nil)
		}
		return namespace, name
	}
	enqueue := func(namespace, name string) {
		for _, user := range r.claims().Namespace(namespace).UsersOf(name) {
			r.queue.Add(namespace, user)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ kubeclient.Queue) { enqueue(observe(e.Object, true)) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ kubeclient.Queue) { enqueue(observe(e.Object, false)) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ kubeclient.Queue) {
			namespace, name := observe(e.ObjectNew, true)
			before, _ := e.ObjectOld.(*signetv1alpha1.SignatureKey)
			after, _ := e.ObjectNew.(*signetv1alpha1.SignatureKey)
			if before == nil || after == nil || !facetsEqual(before, after) {
				enqueue(namespace, name)
			}
		},
	}
}

// bindingsOfRoleBinding returns the bindings of a namespace that Signet may enter or
// leave.
func (r *Reconciler) bindingsOfRoleBinding(_ context.Context, roleBinding client.Object) []reconcile.Request {
	var all []reconcile.Request
	for _, name := range r.claims().Namespace(roleBinding.GetNamespace()).Names() {
		all = append(all, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: roleBinding.GetNamespace(), Name: name}})
	}
	return all
}

// keyFacet is the part of a key that bindings depend on.
type keyFacet struct {
	uid         types.UID
	deletion    *metav1.Time
	finalizers  []string
	displayName string
	problem     status.Readiness
}

func facetOf(key *signetv1alpha1.SignatureKey) keyFacet {
	return keyFacet{
		uid: key.UID, deletion: key.DeletionTimestamp, finalizers: key.Finalizers,
		displayName: key.Status.DisplayName, problem: materialProblem(key),
	}
}

func facetsEqual(a, b *signetv1alpha1.SignatureKey) bool {
	return reflect.DeepEqual(facetOf(a), facetOf(b))
}

// enqueueForRoute enqueues the bindings that list or hold the route, or, if it has
// no name, all bindings of its namespace.
func (r *Reconciler) enqueueForRoute(route gatewayapi.RouteRef) {
	for _, namespace := range r.claims().Namespaces() {
		if route.Namespace != "" && route.Namespace != namespace {
			continue
		}
		claims := r.claims().Namespace(namespace)
		names := claims.Names()
		if route.Name != "" {
			names = claims.ClaimantsOf(signetv1alpha1.NewAPIReference(route.Kind, route.Name))
		}
		for _, name := range names {
			r.queue.Add(namespace, name)
		}
	}
}
