// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

var (
	// errStale means that a decision was made on a binding or key that has changed or
	// gone since. The watch delivers the change, and the decision is made again.
	errStale = errors.New("binding or key has changed since the decision")
	// errBusy means that another decision about the namespace is being made, or that
	// another binding or the controller of keys writes the key's objects. The binding
	// is reconciled again when that ends.
	errBusy = errors.New("namespace or key is busy")
)

// session is the work on one request. It reads each key at most once.
type session struct {
	*Reconciler
	ctx     context.Context //nolint:containedctx // lives as long as one Reconcile
	request ctrl.Request
	claims  *slots.NamespaceCache
	now     time.Time
	keys    map[string]*signetv1alpha1.SignatureKey
	// refusal is why the key that is to sign cannot be protected; zero if it can, or if
	// that has not been tried.
	refusal status.Refusal
}

func (r *Reconciler) newSession(ctx context.Context, request ctrl.Request) *session {
	return &session{
		Reconciler: r, ctx: ctx, request: request, claims: r.claims().Namespace(request.Namespace),
		now:  r.Clock.Now().UTC().Truncate(time.Second),
		keys: map[string]*signetv1alpha1.SignatureKey{},
	}
}

// waiter reconciles the binding again.
func (s *session) waiter() slots.Waiter {
	return slots.Waiter{ID: "binding " + s.request.Name, Retry: func() { s.queue.Add(s.request.Namespace, s.request.Name) }}
}

// verdict is a decision that stands: what it writes has been assumed.
type verdict struct {
	*decision
	// binding is the version that was decided on; nil if there is none.
	binding *signetv1alpha1.SignatureBinding
	// after is what is to be written; nil if nothing is.
	after *signetv1alpha1.SignatureBinding
	// unprotected is true if the key must be protected, and the decision made again.
	unprotected bool
}

// grantsWith reports whether the verdict grants the binding an API with the key.
func (v *verdict) grantsWith(key string) bool {
	return v.binding != nil && v.grants && v.status.KeyName == key
}

// reconcile decides, protects the key if the decision needs that, decides again, and
// writes. A key that cannot be protected does not keep the binding from its status:
// then the decision grants nothing.
func (s *session) reconcile() (ctrl.Result, error) {
	verdict, err := s.decide()
	if err != nil || verdict.binding == nil {
		return ctrl.Result{}, err
	}
	var refused error
	if verdict.unprotected {
		if verdict, refused, err = s.decideProtected(verdict); err != nil || verdict.binding == nil {
			return ctrl.Result{}, err
		}
	}
	if err := s.write(verdict); err != nil || refused != nil {
		return ctrl.Result{}, errors.Join(err, refused)
	}
	return s.result(verdict)
}

// decideProtected protects the key of a decision and decides again. It returns why the key
// cannot be protected if that is to be reported.
func (s *session) decideProtected(before verdict) (after verdict, refused, err error) {
	key := before.status.KeyName
	refused = s.protect(s.request.Namespace, key)
	if errors.Is(refused, errBusy) {
		return verdict{}, nil, refused
	}
	defer func() {
		if !after.grantsWith(key) {
			// Perhaps it is protected for nothing, and nothing follows that wakes it.
			s.Reconciler.claims().WakeKey(s.request.Namespace, key)
		}
	}()
	if refused != nil {
		if !s.isPersisting(before.binding, refused) {
			return verdict{}, nil, refused
		}
		refused = refusalOf(refused)
	}
	if after, err = s.decide(); err == nil && after.unprotected {
		err = errStale // released since, or another key of the name
	}
	return after, refused, err
}

func (s *session) result(verdict verdict) (ctrl.Result, error) {
	if verdict.invalid {
		return events.TerminalResult(verdict.binding.Status.Conditions, verdict.status.Conditions, verdict.requeueAfter)
	}
	return ctrl.Result{RequeueAfter: verdict.requeueAfter}, nil
}

// decide makes one decision about the binding, in memory: no other one about the
// namespace is made meanwhile.
func (s *session) decide() (verdict, error) {
	claims, end, ok := s.Reconciler.claims().Decide(s.request.Namespace, s.waiter())
	if !ok {
		return verdict{}, errBusy
	}
	defer end()
	if claims != s.claims {
		return verdict{}, errStale // the namespace was not served for a while
	}
	if !s.claims.IsPrimed() {
		return verdict{}, errBusy // no longer served: reconciled again when it is
	}
	binding := s.claims.Binding(s.request.Name)
	if binding == nil {
		s.refusedWrites.Forget(s.request.NamespacedName)
		s.refusedStatuses.Forget(s.request.NamespacedName)
		s.Written.Forget(&signetv1alpha1.SignatureBinding{ObjectMeta: metav1.ObjectMeta{Namespace: s.request.Namespace, Name: s.request.Name}})
		return verdict{}, nil
	}
	decided, err := s.decideAbout(binding)
	if err != nil {
		return verdict{}, err
	}
	if decided.blocked {
		for _, name := range s.claims.Blockers(binding.Name) {
			s.queue.Add(binding.Namespace, name)
		}
	}
	found := verdict{decision: decided, binding: binding}
	switch {
	case s.isInEffect(binding, decided):
	case decided.grants && !s.isProtected(decided.status.KeyName):
		found.unprotected = true
	default:
		found.after = binding.DeepCopy()
		found.after.Status = decided.status
		found.after.Status.FencingToken++
		s.claims.Assume(found.after)
	}
	return found, nil
}

// decideAbout observes the surroundings of the binding and decides about its status.
func (s *session) decideAbout(binding *signetv1alpha1.SignatureBinding) (*decision, error) {
	if !binding.DeletionTimestamp.IsZero() {
		return releaseAll(binding), nil
	}
	seen, err := s.observe(binding)
	if err != nil {
		return nil, err
	}
	decided := decide(seen)
	decided.mustWrite = s.mustWrite(seen)
	return decided, nil
}

// mustWrite reports whether a late write of an earlier leader may still grant the
// binding an API or move it to the key that it names, and that matters: it keeps the API
// from another binding, or the key from being released.
func (s *session) mustWrite(seen *observation) bool {
	blocks := slices.ContainsFunc(seen.apis, func(api apiObservation) bool { return api.evaluation.Blocks })
	return blocks || (seen.key != nil && !slots.UsesKey(seen.binding, seen.key) && !s.claims.IsFenced(seen.binding.Name))
}

// isProtected reports whether the key may sign for the binding without another write
// of its objects.
func (s *session) isProtected(name string) bool {
	key := s.keys[name]
	return key != nil && s.claims.IsProtected(name, key.UID)
}

// key reads a SignatureKey from the cache, once; nil if it does not exist.
func (s *session) key(namespace, name string) (*signetv1alpha1.SignatureKey, error) {
	if key, known := s.keys[name]; known {
		return key, nil
	}
	key, err := s.readKey(namespace, name)
	if err != nil {
		return nil, fmt.Errorf("look up the key of a binding: %w", err)
	}
	s.keys[name] = key
	s.Reconciler.claims().ObserveKey(namespace, name, key)
	return key, nil
}
