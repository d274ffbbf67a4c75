// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/gatewayapi"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/validation"
)

// staleDelay is how soon what was decided on an object which had changed is
// decided again, should the watch not bring the change sooner.
const staleDelay = 100 * time.Millisecond

// Routes answers for the routes of the Gateway API, from memory.
type Routes interface {
	WaitForSync(ctx context.Context) error
	Subscribe(changed func(gatewayapi.RouteRef))
	Publication(kind signetv1alpha1.APIKind, namespace, name, environment string, last *int32) publication.State
	Rewrites(kind signetv1alpha1.APIKind, namespace, name string) []publication.Rewrite
}

// Reconciler gives slots to bindings and says in their status how they
// stand. It runs on the leader alone.
type Reconciler struct {
	// Client reads from the caches and writes.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Claims is what is known of bindings; shared with the KeyReconciler.
	Claims *slots.ClaimCache
	// Routes answers for routes.
	Routes Routes
	// Leading says whether the lease is still ours; asked before every write.
	Leading func() bool
	// Namespaces that are watched; none: all.
	Namespaces []string
	// Clock tells the time.
	Clock clock.PassiveClock

	announcer events.Recorder
	queue     *enqueuer

	seeding sync.Mutex
	seeded  bool
}

// SetupWithManager adds the reconciler to a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	r.announcer = events.Recorder{Sink: mgr.GetEventRecorder(events.Reporter), Action: "Bind"}
	r.queue = &enqueuer{}
	r.Routes.Subscribe(r.routeChanged)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("signaturebinding").
		WatchesRawSource(source.Func(r.queue.start)).
		Watches(&signetv1alpha1.SignatureBinding{}, r.bindingHandler()).
		Watches(&signetv1alpha1.SignatureKey{}, r.keyHandler()).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the SignatureBinding controller: %w", err)
	}
	return nil
}

// Reconcile decides about one binding, under its namespace's lock: first the
// others are written that have to make room or be told, then the binding itself.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if err := r.seed(ctx); err != nil {
		return ctrl.Result{}, err
	}
	ledger, unlock := r.Claims.Lock(request.Namespace)
	defer unlock()
	binding := ledger.Binding(request.Name)
	if binding == nil {
		return ctrl.Result{}, nil
	}
	found, err := r.newSession(ctx, ledger).reconcileBinding(binding)
	switch {
	case errors.Is(err, errStale):
		return ctrl.Result{RequeueAfter: staleDelay}, nil
	case err != nil:
		return ctrl.Result{}, err
	case found.invalid:
		return ctrl.Result{}, reconcile.TerminalError(fmt.Errorf("spec of SignatureBinding %s breaks the rules", request))
	default:
		return ctrl.Result{RequeueAfter: found.again}, nil
	}
}

// session is the work on one request: what it has read need not be read again.
type session struct {
	*Reconciler
	ctx    context.Context //nolint:containedctx // lives as long as one Reconcile
	claims *slots.NamespaceCache
	now    time.Time
	keys   map[string]*signetv1alpha1.SignatureKey
	failed error
}

func (r *Reconciler) newSession(ctx context.Context, ledger *slots.NamespaceCache) *session {
	return &session{
		Reconciler: r, ctx: ctx, claims: ledger,
		now:  r.Clock.Now().UTC().Truncate(time.Second),
		keys: map[string]*signetv1alpha1.SignatureKey{},
	}
}

// reconcileBinding decides about the binding and writes: first those that have to make
// room for it, then the binding itself.
func (s *session) reconcileBinding(binding *signetv1alpha1.SignatureBinding) (*decision, error) {
	found, err := s.decide(binding)
	if err != nil {
		return nil, err
	}
	if len(found.blockers) > 0 {
		if err := s.makeRoom(found.blockers); err != nil {
			return nil, err
		}
		if found, err = s.decide(binding); err != nil {
			return nil, err
		}
	}
	return found, s.apply(binding, found)
}

// makeRoom writes the bindings that have to be written before others get what
// they wait for. They themselves are granted only what nobody blocks.
func (s *session) makeRoom(names []string) error {
	for _, name := range names {
		binding := s.claims.Binding(name)
		if binding == nil {
			continue
		}
		found, err := s.decide(binding)
		if err != nil {
			return err
		}
		found.fence = !s.claims.IsFenced(name)
		if err := s.apply(binding, found); err != nil {
			return fmt.Errorf("make room for a claimant: %w", err)
		}
		s.queue.after(binding, found.again)
	}
	return nil
}

// decide says what the binding's status is to be, from what is known now.
func (s *session) decide(binding *signetv1alpha1.SignatureBinding) (*decision, error) {
	if !binding.DeletionTimestamp.IsZero() {
		return leaving(binding), nil
	}
	key, err := s.effectiveKey(binding)
	if err != nil {
		return nil, err
	}
	found := newDecision(binding, key, s.now)
	if errs := validation.ValidateSignatureBinding(binding); len(errs) > 0 {
		found.refuseSpec(errs)
	}
	for _, api := range binding.Spec.APIs {
		slot := slots.Slot{Namespace: binding.Namespace, Environment: binding.Spec.Environment, Kind: api.Kind, Name: api.Name}
		found.addAPI(api, s.claims.Evaluate(binding.Name, slot, s.eligible), s.Routes)
	}
	if s.failed != nil {
		return nil, s.failed
	}
	found.setConditions(s.now)
	return found, nil
}
