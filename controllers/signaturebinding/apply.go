// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// write writes the status of the verdict, with the resourceVersion that was decided on.
// It reads nothing. The binding's own reconcile is the only one that writes it, so that
// one write at most is on its way.
func (s *session) write(verdict verdict) error {
	s.tellRivals(verdict.binding)
	if verdict.after == nil {
		s.refusedStatuses.Forget(s.request.NamespacedName)
		return nil
	}
	if err := s.writeStatus(verdict.after); err != nil {
		return err
	}
	s.Written.Store(verdict.after)
	s.Reconciler.claims().Confirm(verdict.after)
	s.emitEvents(verdict.binding, verdict.after)
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
	case apierrors.IsNotFound(err):
		return errStale
	}
	s.recorder.RecordFailedWrite(s.ctx, binding, s.refusedStatuses, err)
	if kubeclient.IsStale(err) && s.refusedStatuses.Persisting(binding).IsZero() {
		return errStale
	}
	return err
}

func (s *session) emitEvents(before, after *signetv1alpha1.SignatureBinding) {
	events.ObserveTimeToReady(after, before.Status.Conditions, after.Status.Conditions, s.now)
	s.recorder.Transitions(s.ctx, after, before.Status.Conditions, after.Status.Conditions,
		signetv1alpha1.ConditionReady, signetv1alpha1.ConditionPathRewritten)
}
