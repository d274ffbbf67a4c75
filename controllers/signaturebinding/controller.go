// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"errors"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/term"
)

// Routes answers queries about routes from memory.
type Routes interface {
	WaitForSync(ctx context.Context) error
	Subscribe(changed func(gatewayapi.RouteRef))
	Publication(kind signetv1alpha1.APIKind, namespace, name, environment string, last *int32) publication.State
	Cause(kind signetv1alpha1.APIKind, namespace, name, environment string) publication.Cause
	Rewrites(kind signetv1alpha1.APIKind, namespace, name string) []publication.Rewrite
}

// largeAPIs is the number of APIs above which the bindings of a namespace are written one
// after the other. The API server needs 0.2 s of a processor for a status of 1,000 APIs:
// several at once would delay what it does and shows to everybody else.
const largeAPIs = 100

// Reconciler grants slots to bindings and reports the result in their status. It
// runs on the leader only.
type Reconciler struct {
	// Client reads from the caches and writes, as long as this replica holds the
	// lease.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Term begins when this replica has acquired the lease. Its claims are the bindings
	// that decisions are made on, and the protection of keys. The controller of keys
	// shares it, and Written.
	Term    *term.Term
	Written *kubeclient.Written
	// Routes answers queries about routes.
	Routes Routes
	// Clock returns the current time.
	Clock clock.PassiveClock

	recorder events.Recorder
	queue    *kubeclient.Enqueuer
	// share divides the workers among namespaces, and backoff has the delays after
	// failures; nil without a manager.
	share   *kubeclient.Share
	backoff *kubeclient.Backoff
	// refusedWrites are those of finalizers on behalf of a binding, and refusedStatuses
	// those of its status.
	refusedWrites, refusedStatuses *kubeclient.FailingWrites
}

// SetupWithManager adds the reconciler to a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	r.Prepare(events.Recorder{Sink: mgr.GetEventRecorder(events.Reporter), Action: "Bind"})
	r.share, r.backoff = kubeclient.NewShare(concurrency), kubeclient.NewBackoff()
	r.Routes.Subscribe(r.enqueueForRoute)
	b := ctrl.NewControllerManagedBy(mgr).
		Named("signaturebinding").
		WatchesRawSource(source.Func(r.queue.Start)).
		Watches(&signetv1alpha1.SignatureBinding{}, r.bindingHandler()).
		Watches(&signetv1alpha1.SignatureKey{}, r.keyHandler()).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: r.backoff})
	if r.Term.Served != nil {
		b = b.Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(r.bindingsOfRoleBinding))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up the SignatureBinding controller: %w", err)
	}
	return nil
}

// Prepare completes the reconciler. SetupWithManager calls it; without a manager,
// nothing wakes a binding.
func (r *Reconciler) Prepare(recorder events.Recorder) {
	r.recorder, r.queue = recorder, &kubeclient.Enqueuer{}
	r.refusedWrites, r.refusedStatuses = kubeclient.NewFailingWrites(r.Clock), kubeclient.NewFailingWrites(r.Clock)
	r.claims().Subscribe(func(namespace string, change slots.Change) {
		for _, name := range change.Bindings {
			r.queue.Add(namespace, name)
		}
	})
}

func (r *Reconciler) claims() *slots.ClaimCache { return r.Term.Claims }

// Reconcile decides about one binding, and writes what it has decided. Bindings that
// must be written before this one gets a slot are reconciled by themselves, and wake
// it.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if err := r.Routes.WaitForSync(ctx); err != nil {
		return ctrl.Result{}, err
	}
	if after, ok, err := r.Term.Begin(ctx, request.Namespace); !ok {
		return ctrl.Result{RequeueAfter: after}, err
	}
	if r.Term.Served.IsLeaving(ctx, request.Namespace) {
		return ctrl.Result{}, nil // nothing is granted; the RoleBinding that ends that wakes all
	}
	leave, ok := r.share.Enter(request, r.isLarge(request), r.queue.Retry)
	if !ok {
		r.backoff.Keep(request)
		return ctrl.Result{}, nil // a worker that returns wakes the binding
	}
	defer leave()
	result, err := r.newSession(ctx, request).reconcile()
	switch {
	case errors.Is(err, errBusy):
		r.backoff.Keep(request)
		return ctrl.Result{}, nil // the end of the work in progress wakes the binding
	case errors.Is(err, errStale):
		return ctrl.Result{RequeueAfter: kubeclient.StaleDelay}, nil
	default:
		return result, err
	}
}

// isLarge reports whether the binding has more than largeAPIs.
func (r *Reconciler) isLarge(request ctrl.Request) bool {
	binding := r.claims().Namespace(request.Namespace).Binding(request.Name)
	return binding != nil && len(binding.Spec.APIs) > largeAPIs
}
