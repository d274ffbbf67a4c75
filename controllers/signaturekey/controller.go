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
)

// Options are what the manager's flags say about SignatureKeys.
type Options struct {
	// PublicKeyEnabled allows new material for keys of type PublicKey.
	PublicKeyEnabled bool
	// ClusterWide says that the manager may watch namespaces. Else it asks for
	// a namespace when something in it is being deleted.
	ClusterWide bool
	// Concurrency is how many keys are reconciled at a time; zero means one.
	Concurrency int
}

// Reconciler keeps the managed Secret of each SignatureKey as its spec and
// source want it, and tells in its status what has become of it.
type Reconciler struct {
	// Client reads from the manager's caches and writes.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Holds is shared with the controller of the bindings.
	Holds KeyHolds
	// Clock and Rand are what new material is made with.
	Clock clock.PassiveClock
	Rand  io.Reader
	Options

	announcer events.Recorder
	expected  *expectations
	liveReads *liveReadCache
	rotations *rotationClock
}

// keyPhase is a step of a reconcile; an error ends it.
type keyPhase func(context.Context, *keyRun) error

// Reconcile brings one key closer to what is wanted.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	key := &signetv1alpha1.SignatureKey{}
	if err := r.Client.Get(ctx, request.NamespacedName, key); apierrors.IsNotFound(err) {
		return r.cleanUp(ctx, request.NamespacedName)
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("read SignatureKey %s: %w", request, err)
	}
	run, err := r.snapshot(ctx, key)
	if err != nil {
		return ctrl.Result{}, err
	}
	if lag := r.expected.pending(run.key, run.objects()...); lag > 0 {
		return ctrl.Result{RequeueAfter: lag}, nil
	}
	defer func() { result, err = r.report(ctx, run, err) }()

	if run.terminating() {
		return ctrl.Result{}, r.reconcileDeletion(ctx, run)
	}
	for _, phase := range []keyPhase{r.serve, r.hold, r.release} {
		if err := phase(ctx, run); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, nil
}
