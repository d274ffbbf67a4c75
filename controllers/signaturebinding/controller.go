// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/source"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
)

// Routes answers queries about routes from memory.
type Routes interface {
	WaitForSync(ctx context.Context) error
	Subscribe(changed func(gatewayapi.RouteRef))
	Publication(kind signetv1alpha1.APIKind, namespace, name, environment string, last *int32) publication.State
	Rewrites(kind signetv1alpha1.APIKind, namespace, name string) []publication.Rewrite
}

// Reconciler grants slots to bindings and reports the result in their status. It
// runs on the leader only.
type Reconciler struct {
	// Client reads from the caches and writes, as long as this replica holds the
	// lease.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Claims are the bindings that decisions are made on, and the protection of
	// keys. The controller of keys shares them.
	Claims *slots.ClaimCache
	// Routes answers queries about routes.
	Routes Routes
	// Namespaces that are watched; empty means all.
	Namespaces []string
	// Clock returns the current time.
	Clock clock.PassiveClock

	recorder events.Recorder
	queue    *enqueuer
	// refusedWrites are those of finalizers on behalf of a binding, and refusedStatuses
	// those of its status.
	refusedWrites, refusedStatuses *kubeclient.FailingWrites

	priming sync.Mutex
	primed  bool
}

// SetupWithManager adds the reconciler to a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	r.recorder = events.Recorder{Sink: mgr.GetEventRecorder(events.Reporter), Action: "Bind"}
	r.queue = &enqueuer{}
	r.refusedWrites, r.refusedStatuses = kubeclient.NewFailingWrites(r.Clock), kubeclient.NewFailingWrites(r.Clock)
	r.Routes.Subscribe(r.enqueueForRoute)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("signaturebinding").
		WatchesRawSource(source.Func(r.queue.start)).
		Watches(&signetv1alpha1.SignatureBinding{}, r.bindingHandler()).
		Watches(&signetv1alpha1.SignatureKey{}, r.keyHandler()).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: kubeclient.NewBackoff()}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the SignatureBinding controller: %w", err)
	}
	return nil
}

// Reconcile decides about one binding under the lock of its namespace, and writes
// the bindings that must make room for it before the binding itself.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if err := r.prime(ctx); err != nil {
		return ctrl.Result{}, err
	}
	claims, unlock := r.Claims.Lock(request.Namespace)
	defer unlock()
	binding := claims.Binding(request.Name)
	if binding == nil {
		r.refusedWrites.Forget(request.NamespacedName)
		r.refusedStatuses.Forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	decided, err := r.newSession(ctx, claims).reconcileBinding(binding)
	switch {
	case errors.Is(err, errStale):
		return ctrl.Result{RequeueAfter: kubeclient.StaleDelay}, nil
	case err != nil:
		return ctrl.Result{}, err
	case decided.invalid:
		return events.TerminalResult(binding.Status.Conditions, decided.status.Conditions, decided.requeueAfter)
	default:
		return ctrl.Result{RequeueAfter: decided.requeueAfter}, nil
	}
}
