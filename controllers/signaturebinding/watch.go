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

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

// bindingHandler updates the claim cache and enqueues the binding, and the other
// claimants of the slots that the change concerns.
func (r *Reconciler) bindingHandler() handler.EventHandler {
	update := func(object client.Object, q queue) {
		if binding, ok := object.(*signetv1alpha1.SignatureBinding); ok {
			changed := r.Claims.Update(binding)
			q.Add(requestFor(binding))
			r.queue.addClaimants(r.Claims.Namespace(binding.Namespace), binding, changed)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { update(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { update(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ queue) {
			binding, ok := e.Object.(*signetv1alpha1.SignatureBinding)
			if !ok {
				return
			}
			claims := r.Claims.Namespace(binding.Namespace)
			r.queue.addClaimants(claims, binding, claims.Delete(binding))
		},
	}
}

// keyHandler enqueues the bindings of a key when something changes that they depend
// on. A rotation changes nothing of that kind. The deletion of a key, and its end,
// decide which of them are claimants: then it enqueues the other claimants, too.
func (r *Reconciler) keyHandler() handler.EventHandler {
	enqueue := func(ctx context.Context, key client.Object, eligibility bool, q queue) {
		var bindings signetv1alpha1.SignatureBindingList
		err := r.Client.List(ctx, &bindings, client.InNamespace(key.GetNamespace()),
			client.MatchingFields{index.BindingKeys: key.GetName()}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return // only a stopped cache returns an error
		}
		for i := range bindings.Items {
			binding := &bindings.Items[i]
			q.Add(requestFor(binding))
			if eligibility && binding.Status.KeyName == "" {
				r.queue.addClaimants(r.Claims.Namespace(binding.Namespace), binding, slots.ListedBy(binding))
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, e.Object, true, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, e.Object, true, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, _ := e.ObjectOld.(*signetv1alpha1.SignatureKey)
			after, _ := e.ObjectNew.(*signetv1alpha1.SignatureKey)
			if before == nil || after == nil || !facetsEqual(before, after) {
				eligibility := before == nil || after == nil || before.UID != after.UID ||
					before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
				enqueue(ctx, e.ObjectNew, eligibility, q)
			}
		},
	}
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
	for _, namespace := range r.Claims.Namespaces() {
		if route.Namespace != "" && route.Namespace != namespace {
			continue
		}
		claims := r.Claims.Namespace(namespace)
		names := claims.Names()
		if route.Name != "" {
			names = claims.ClaimantsOf(signetv1alpha1.NewAPIReference(route.Kind, route.Name))
		}
		for _, name := range names {
			r.queue.add(namespace, name)
		}
	}
}
