// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// errStale means that a decision was made on a binding or key that has changed or
// gone since. The watch delivers the change, and the decision is made again.
var errStale = errors.New("binding or key has changed since the decision")

// apply writes the decision: first the finalizers that it requires, then the status,
// with the resourceVersions that were observed. It reads nothing.
func (s *session) apply(binding *signetv1alpha1.SignatureBinding, decided *decision, unprotected *protectionTarget) error {
	if unprotected != nil {
		if err := s.protect(unprotected); err != nil {
			return s.reportUnprotected(binding, decided, err)
		}
	}
	s.refusedWrites.Forget(client.ObjectKeyFromObject(binding))
	return s.applyStatus(binding, decided)
}

// applyStatus writes the status of the decision.
func (s *session) applyStatus(binding *signetv1alpha1.SignatureBinding, decided *decision) error {
	after := binding.DeepCopy()
	after.Status = decided.status
	after.Status.FencingToken++
	s.claims.Assume(after)
	if err := s.writeStatus(after); err != nil {
		return err
	}
	s.queue.addClaimants(s.claims, after, s.claims.Confirm(after))
	s.emitEvents(binding, after)
	return nil
}

// writeStatus writes the status. No error proves that the write has not taken
// effect: the client repeats requests, and a Conflict or NotFound may be the answer
// to the repetition of a write that succeeded. What has been assumed stays so until a
// newer version of the binding is seen.
func (s *session) writeStatus(binding *signetv1alpha1.SignatureBinding) error {
	err := kubeclient.FailedStatusWrite(kubeclient.VerbUpdate, s.Client.Status().Update(s.ctx, binding), binding)
	switch {
	case err == nil:
		s.refusedStatuses.Forget(client.ObjectKeyFromObject(binding))
		return nil
	case kubeclient.IsStale(err), apierrors.IsNotFound(err):
		return errStale
	default:
		s.recorder.RecordFailedWrite(s.ctx, binding, s.refusedStatuses, err)
		return err
	}
}

func (s *session) emitEvents(before, after *signetv1alpha1.SignatureBinding) {
	events.ObserveTimeToReady(after, before.Status.Conditions, after.Status.Conditions, s.now)
	s.recorder.Transitions(s.ctx, after, before.Status.Conditions, after.Status.Conditions,
		signetv1alpha1.ConditionReady, signetv1alpha1.ConditionPathRewritten)
}
