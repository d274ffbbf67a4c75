package controllers

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

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/validation"
)

// outdatedRetry is how soon what was decided on an object which had changed is
// decided again, should the watch not bring the change sooner.
const outdatedRetry = 100 * time.Millisecond

// Routes answers for the routes of the Gateway API, from memory.
type Routes interface {
	WaitForSync(ctx context.Context) error
	Subscribe(changed func(RouteRef))
	Publication(kind signetv1alpha1.APIKind, namespace, name, environment string, last *int32) publication.Verdict
	Rewrites(kind signetv1alpha1.APIKind, namespace, name string) []publication.Rewrite
}

// BindingReconciler gives slots to bindings and says in their status how they
// stand. It runs on the leader alone.
type BindingReconciler struct {
	// Client reads from the caches and writes.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Book is what is known of bindings; shared with the KeyReconciler.
	Book *slots.Book
	// Routes answers for routes.
	Routes Routes
	// Leading says whether the lease is still ours; asked before every write.
	Leading func() bool
	// Namespaces that are watched; none: all.
	Namespaces []string
	// Clock tells the time.
	Clock clock.PassiveClock

	announcer announcer
	wake      *waker

	seeding sync.Mutex
	seeded  bool
}

// Setup adds the reconciler to a manager.
func (r *BindingReconciler) Setup(mgr ctrl.Manager, concurrency int) error {
	r.announcer = announcer{recorder: mgr.GetEventRecorder(reporter), action: "Bind"}
	r.wake = &waker{}
	r.Routes.Subscribe(r.routeChanged)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("signaturebinding").
		WatchesRawSource(r.wake).
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
func (r *BindingReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if err := r.seed(ctx); err != nil {
		return ctrl.Result{}, err
	}
	ledger, unlock := r.Book.Lock(request.Namespace)
	defer unlock()
	binding := ledger.Binding(request.Name)
	if binding == nil {
		return ctrl.Result{}, nil
	}
	found, err := r.newSession(ctx, ledger).settle(binding)
	switch {
	case errors.Is(err, errOutdated):
		return ctrl.Result{RequeueAfter: outdatedRetry}, nil
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
	*BindingReconciler
	ctx    context.Context //nolint:containedctx // lives as long as one Reconcile
	ledger *slots.Ledger
	now    time.Time
	keys   map[string]*signetv1alpha1.SignatureKey
	failed error
}

func (r *BindingReconciler) newSession(ctx context.Context, ledger *slots.Ledger) *session {
	return &session{
		BindingReconciler: r, ctx: ctx, ledger: ledger,
		now:  r.Clock.Now().UTC().Truncate(time.Second),
		keys: map[string]*signetv1alpha1.SignatureKey{},
	}
}

// settle decides about the binding and writes: first those that have to make
// room for it, then the binding itself.
func (s *session) settle(binding *signetv1alpha1.SignatureBinding) (*decision, error) {
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
	return found, s.enact(binding, found)
}

// makeRoom writes the bindings that have to be written before others get what
// they wait for. They themselves are granted only what nobody blocks.
func (s *session) makeRoom(names []string) error {
	for _, name := range names {
		binding := s.ledger.Binding(name)
		if binding == nil {
			continue
		}
		found, err := s.decide(binding)
		if err != nil {
			return err
		}
		found.fence = !s.ledger.Fenced(name)
		if err := s.enact(binding, found); err != nil {
			return fmt.Errorf("make room for a claimant: %w", err)
		}
		s.wake.after(binding, found.again)
	}
	return nil
}

// decide says what the binding's status is to be, from what is known now.
func (s *session) decide(binding *signetv1alpha1.SignatureBinding) (*decision, error) {
	if !binding.DeletionTimestamp.IsZero() {
		return leaving(binding), nil
	}
	key, err := s.keyInForce(binding)
	if err != nil {
		return nil, err
	}
	found := newDecision(binding, key, s.now)
	if errs := validation.ValidateBinding(binding); len(errs) > 0 {
		found.refuseSpec(errs)
	}
	for _, api := range binding.Spec.APIs {
		slot := slots.Slot{Environment: binding.Spec.Environment, API: api}
		found.judge(api, s.ledger.Judge(binding.Name, slot, s.eligible), s.Routes)
	}
	if s.failed != nil {
		return nil, s.failed
	}
	found.conclude(s.now)
	return found, nil
}
