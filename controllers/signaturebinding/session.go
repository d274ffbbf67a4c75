// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// session is the work on one request. It reads each key at most once.
type session struct {
	*Reconciler
	ctx    context.Context //nolint:containedctx // lives as long as one Reconcile
	claims *slots.NamespaceCache
	now    time.Time
	keys   map[string]*signetv1alpha1.SignatureKey
}

func (r *Reconciler) newSession(ctx context.Context, claims *slots.NamespaceCache) *session {
	return &session{
		Reconciler: r, ctx: ctx, claims: claims,
		now:  r.Clock.Now().UTC().Truncate(time.Second),
		keys: map[string]*signetv1alpha1.SignatureKey{},
	}
}

// reconcileBinding decides about the binding and writes: first the bindings that
// must make room for it, then the binding itself. It is granted no slot that another
// binding blocks, so one whose writes are refused does not keep it from its status.
func (s *session) reconcileBinding(binding *signetv1alpha1.SignatureBinding) (*decision, error) {
	decided, err := s.decide(binding)
	if err != nil {
		return nil, err
	}
	var roomErr error
	if len(decided.blockers) > 0 {
		if roomErr = s.makeRoom(decided.blockers); roomErr != nil && !isRefused(roomErr) {
			return nil, roomErr
		}
		if decided, err = s.decide(binding); err != nil {
			return nil, err
		}
	}
	return decided, cmp.Or(s.carryOut(binding, decided), roomErr)
}

// makeRoom writes the bindings that must be written before another one gets what
// it waits for. They are granted only slots that no binding blocks. A refusal of one
// is returned when all have been tried.
func (s *session) makeRoom(names []string) error {
	var refused error
	for _, name := range names {
		binding := s.claims.Binding(name)
		if binding == nil {
			continue
		}
		decided, err := s.decide(binding)
		if err != nil {
			return err
		}
		decided.mustWrite = decided.mustWrite || !s.claims.IsFenced(name)
		if err := s.carryOut(binding, decided); isRefused(err) {
			refused = fmt.Errorf("make room for a claimant: %w", err)
			continue
		} else if err != nil {
			return fmt.Errorf("make room for a claimant: %w", err)
		}
		s.queue.addLater(binding, decided.requeueAfter)
	}
	return refused
}

// carryOut applies the decision if it changes anything. A key that is about to sign
// for the binding is observed live first, unless it is known to be protected.
func (s *session) carryOut(binding *signetv1alpha1.SignatureBinding, decided *decision) error {
	if s.isInEffect(binding, decided) {
		s.refusedWrites.Forget(client.ObjectKeyFromObject(binding))
		s.refusedStatuses.Forget(client.ObjectKeyFromObject(binding))
		return nil
	}
	var unprotected *protectionTarget
	if decided.grants {
		var err error
		if unprotected, err = s.observeUnprotected(binding.Namespace, decided.status.KeyName); err != nil {
			return err
		}
	}
	return s.apply(binding, decided, unprotected)
}

// decide observes the surroundings of the binding and decides about its status.
func (s *session) decide(binding *signetv1alpha1.SignatureBinding) (*decision, error) {
	if !binding.DeletionTimestamp.IsZero() {
		return releaseAll(binding), nil
	}
	seen, err := s.observe(binding)
	if err != nil {
		return nil, err
	}
	decided := decide(seen)
	// A late write of an earlier leader may still grant the binding an API with its
	// key, which counts as used until that write can only fail.
	if seen.key != nil && slots.CreatedAfterDeletion(binding, seen.key) && !s.claims.IsFenced(binding.Name) {
		decided.mustWrite = true
	}
	return decided, nil
}
