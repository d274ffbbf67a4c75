// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// seedPage is how many bindings one list answers.
const seedPage = 500

// seed reads all bindings from the API server, once after the lease has been
// won: what the leader before has written is not to be missed because a cache
// lags behind.
func (r *Reconciler) seed(ctx context.Context) error {
	r.seeding.Lock()
	defer r.seeding.Unlock()
	if r.seeded {
		return nil
	}
	if err := r.Routes.WaitForSync(ctx); err != nil {
		return err
	}
	namespaces := r.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		if err := r.seedNamespace(ctx, namespace); err != nil {
			return err
		}
	}
	r.Claims.MarkPrimed()
	r.seeded = true
	return nil
}

func (r *Reconciler) seedNamespace(ctx context.Context, namespace string) error {
	var page signetv1alpha1.SignatureBindingList
	for {
		err := r.Live.List(ctx, &page, client.InNamespace(namespace), client.Limit(seedPage), client.Continue(page.Continue))
		if err != nil {
			return fmt.Errorf("list SignatureBindings: %w", err)
		}
		for i := range page.Items {
			r.Claims.Prime(&page.Items[i])
		}
		if page.Continue == "" {
			return nil
		}
		page.Items = nil
	}
}

// bindingHandler keeps the ledger and wakes the binding, and whoever claims
// what it has come to claim or has left.
func (r *Reconciler) bindingHandler() handler.EventHandler {
	observe := func(object client.Object, q queue) {
		if binding, ok := object.(*signetv1alpha1.SignatureBinding); ok {
			unsettled := r.Claims.Update(binding)
			q.Add(requestFor(binding))
			r.queue.others(r.Claims.Namespace(binding.Namespace), binding, unsettled)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { observe(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { observe(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ queue) {
			binding, ok := e.Object.(*signetv1alpha1.SignatureBinding)
			if !ok {
				return
			}
			ledger := r.Claims.Namespace(binding.Namespace)
			r.queue.others(ledger, binding, ledger.Delete(binding))
		},
	}
}

// keyHandler wakes the bindings of a key when something changes that they
// depend on: a rotation is nothing of that kind.
func (r *Reconciler) keyHandler() handler.EventHandler {
	wake := func(ctx context.Context, key client.Object, q queue) {
		var bindings signetv1alpha1.SignatureBindingList
		err := r.Client.List(ctx, &bindings, client.InNamespace(key.GetNamespace()),
			client.MatchingFields{index.BindingKeys: key.GetName()}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return // only a cache that has been stopped answers with an error
		}
		for i := range bindings.Items {
			q.Add(requestFor(&bindings.Items[i]))
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { wake(ctx, e.Object, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { wake(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, _ := e.ObjectOld.(*signetv1alpha1.SignatureKey)
			after, _ := e.ObjectNew.(*signetv1alpha1.SignatureKey)
			if before == nil || after == nil || !reflect.DeepEqual(facetOf(before), facetOf(after)) {
				wake(ctx, e.ObjectNew, q)
			}
		},
	}
}

// keyFacet is what bindings depend on of a key.
type keyFacet struct {
	uid         types.UID
	deletion    *metav1.Time
	finalizers  []string
	displayName string
	material    bool
	problem     status.Readiness
}

func facetOf(key *signetv1alpha1.SignatureKey) keyFacet {
	probe := &signetv1alpha1.SignatureBinding{}
	probe.Spec.KeyRef.Name = key.Name
	return keyFacet{
		uid: key.UID, deletion: key.DeletionTimestamp, finalizers: key.Finalizers,
		displayName: key.Status.DisplayName, material: key.Status.KeyID != "", problem: keyProblem(probe, key),
	}
}

// routeChanged wakes the bindings that list the route, or all that list routes
// of its kind.
func (r *Reconciler) routeChanged(route gatewayapi.RouteRef) {
	for _, namespace := range r.Claims.Namespaces() {
		if route.Namespace != "" && route.Namespace != namespace {
			continue
		}
		ledger := r.Claims.Namespace(namespace)
		names := ledger.Names()
		if route.Name != "" {
			names = ledger.ClaimantsOf(signetv1alpha1.NewAPIReference(route.Kind, route.Name))
		}
		for _, name := range names {
			r.queue.add(namespace, name)
		}
	}
}

func requestFor(object client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)}
}

// enqueuer lets the reconciler wake bindings itself. What is woken before the
// controller starts is not lost: the start looks at all.
type enqueuer struct {
	mu    sync.RWMutex
	queue queue
}

// start is a source.Func: the controller calls it with its queue.
func (w *enqueuer) start(_ context.Context, q queue) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = q
	return nil
}

func (w *enqueuer) add(namespace, name string) { w.addAfter(namespace, name, 0) }

func (w *enqueuer) addAfter(namespace, name string, delay time.Duration) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.queue != nil {
		w.queue.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}, delay)
	}
}

// after wakes the binding when its time has come, if there is one.
func (w *enqueuer) after(binding *signetv1alpha1.SignatureBinding, delay time.Duration) {
	if delay > 0 {
		w.addAfter(binding.Namespace, binding.Name, delay)
	}
}

// others wakes all but the binding that list or hold one of the slots.
func (w *enqueuer) others(ledger *slots.NamespaceCache, binding *signetv1alpha1.SignatureBinding, unsettled []slots.Slot) {
	for _, slot := range unsettled {
		for _, name := range ledger.Claimants(slot) {
			if name != binding.Name {
				w.add(binding.Namespace, name)
			}
		}
	}
}
