// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
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
	// Claims has the protection of keys, and the lock under which it is removed. The
	// controller of bindings shares them.
	Claims *slots.ClaimCache
	// Clock and Rand are the time and the randomness of new material. Rand must be
	// cryptographically secure.
	Clock clock.PassiveClock
	Rand  io.Reader
	Options

	recorder  events.Recorder
	expected  *expectations
	liveReads *liveReadCache
	rotations *rotationClock
	// refusedWrites are those of a key's objects, and refusedStatuses those of its
	// status.
	refusedWrites, refusedStatuses *kubeclient.FailingWrites
}

// Reconcile brings one key closer to its desired state. If it is going to remove
// protection, it decides and writes while the key is Releasing, so that no binding
// is granted the key in between.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	key := &signetv1alpha1.SignatureKey{}
	if err := r.Client.Get(ctx, request.NamespacedName, key); apierrors.IsNotFound(err) {
		return r.reconcileDeleted(ctx, request.NamespacedName)
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("read SignatureKey %s: %w", request, err)
	}
	observation, err := r.observe(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if observation.CacheLag > 0 {
		return ctrl.Result{RequeueAfter: observation.CacheLag}, nil
	}
	r.correctProtection(observation)
	if keyplan.NeedsReleasing(observation) {
		unlock := r.Claims.Release(key.Namespace, key.Name)
		defer unlock()
		if observation, err = r.observeReleasing(ctx, observation); err != nil {
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
