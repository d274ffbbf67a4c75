// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"io"
	"slices"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/term"
)

// Options are the manager's flags about SignatureKeys.
type Options struct {
	// PublicKeyEnabled allows new material for keys of type PublicKey.
	PublicKeyEnabled bool
	// ClusterWide reports whether the manager may watch namespaces. Otherwise it
	// reads a namespace when an object in it is being deleted.
	ClusterWide bool
	// Concurrency is how many keys are reconciled at a time; zero means one.
	Concurrency int
}

// Reconciler keeps the managed Secret of each SignatureKey as its spec and
// source want it, and reports the result in its status.
type Reconciler struct {
	// Client reads from the manager's caches and writes, as long as this replica
	// holds the lease.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Term begins when this replica has acquired the lease. Its claims have the users
	// and the protection of each key. The controller of bindings shares it, and Written.
	Term    *term.Term
	Written *kubeclient.Written
	// Clock and Rand are the time and the randomness of new material. Rand must be
	// cryptographically secure.
	Clock clock.PassiveClock
	Rand  io.Reader
	Options

	recorder events.Recorder
	queue    *kubeclient.Enqueuer
	// share divides the workers among namespaces, and backoff has the delays after
	// failures; nil without a manager.
	share     *kubeclient.Share
	backoff   *kubeclient.Backoff
	liveReads *liveReadCache
	rotations *rotationClock
	// refusedWrites are those of a key's objects, and refusedStatuses those of its
	// status.
	refusedWrites, refusedStatuses *kubeclient.FailingWrites
	sent                           *sentSecrets
	// unsettled are the writes of Secrets and statuses whose outcome is unknown.
	unsettled *kubeclient.UnsettledWrites
}

// Reconcile brings one key closer to its desired state. Nobody else writes its objects
// meanwhile: a key that another writer is at work on is reconciled again when that
// ends.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if after, ok, err := r.Term.Begin(ctx, request.Namespace); !ok {
		return ctrl.Result{RequeueAfter: after}, err
	}
	leave, ok := r.share.Enter(request, false, r.queue.Retry)
	if !ok {
		r.backoff.Keep(request)
		return ctrl.Result{}, nil // a worker that returns wakes the key
	}
	defer leave()
	end, ok := r.claims().WriteKey(request.Namespace, request.Name, r.waiter(request))
	if !ok {
		r.backoff.Keep(request)
		return ctrl.Result{}, nil
	}
	defer end()
	key, err := kubeclient.GetOrNil[signetv1alpha1.SignatureKey](ctx, r.Client, request.NamespacedName)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case key == nil:
		return r.reconcileDeleted(ctx, request.NamespacedName)
	}
	if key = kubeclient.Newest(r.Written, key); isGone(key) {
		return ctrl.Result{}, nil // released by this process: the watch that shows it wakes the key
	}
	return r.reconcileKey(ctx, request, key)
}

// reconcileKey observes, plans, applies and patches the status. If the plan removes
// protection, no binding is granted the key from the moment on in which no user was
// found.
func (r *Reconciler) reconcileKey(ctx context.Context, request ctrl.Request, key *signetv1alpha1.SignatureKey) (ctrl.Result, error) {
	observation, err := r.observe(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if observation.CacheLag > 0 {
		return ctrl.Result{RequeueAfter: observation.CacheLag}, nil
	}
	r.correctProtection(observation)
	if keyplan.NeedsReleasing(observation) {
		endRelease, ok := r.beginRelease(request, &observation)
		if !ok {
			return ctrl.Result{}, nil // the end of the decision in progress wakes the key
		}
		defer endRelease()
		if err := r.observeReleasing(ctx, &observation); err != nil {
			return ctrl.Result{}, err
		}
	}
	plan, done, err := r.planAndApply(ctx, observation)
	if isCreateRefused(err) {
		observation.CreateRefused = true
		plan, done, err = r.planAndApply(ctx, observation)
	}
	return r.patchStatus(ctx, observation, plan, done, err)
}

// beginRelease finds the users of the key in the claims, which have each grant of this
// term and, as unsettled, those that an earlier leader may have on its way. If there are
// none, the key is Releasing until the end.
func (r *Reconciler) beginRelease(request ctrl.Request, o *keyplan.Observation) (end func(), ok bool) {
	claims, endDecision, ok := r.claims().Decide(request.Namespace, r.waiter(request))
	if !ok {
		return nil, false
	}
	defer endDecision()
	if !claims.IsPrimed() {
		return nil, false // the namespace is no longer served
	}
	use := claims.Use(o.Key)
	o.Releasing = true
	o.Users = slices.Compact(slices.Sorted(slices.Values(append(use.Users, use.Unsettled...))))
	o.HasHolder = use.Granted || use.MayHold
	o.Unsettled = len(use.Unsettled) > 0
	if len(o.Users) > 0 && !o.NamespaceTerminating && !o.Leaving {
		return func() {}, true // nothing is removed
	}
	claims.SetProtection(o.Key.Name, "", slots.ProtectionReleasing)
	return func() { claims.SetProtection(o.Key.Name, "", slots.ProtectionUnknown) }, true
}

func (r *Reconciler) claims() *slots.ClaimCache { return r.Term.Claims }

// waiter reconciles the key again.
func (r *Reconciler) waiter(request ctrl.Request) slots.Waiter {
	return slots.Waiter{ID: "key " + request.Name, Retry: func() { r.queue.Add(request.Namespace, request.Name) }}
}
