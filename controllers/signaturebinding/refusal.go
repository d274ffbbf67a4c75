// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
)

// isRefused reports whether an error is a write that has failed, and that no newer
// version of an object resolves.
func isRefused(err error) bool {
	failed := (*kubeclient.WriteError)(nil)
	return errors.As(err, &failed)
}

// reportUnprotected records that the key cannot be protected. If that persists, it
// decides again, without the grant, and writes the status: the binding reports the
// reason, is fenced, and its rivals do not take it for the holder. It returns the error
// of the finalizer, which is tried again.
func (s *session) reportUnprotected(binding *signetv1alpha1.SignatureBinding, granted *decision, failure error) error {
	events.CountFailedWrite(failure)
	s.refusedWrites.Record(binding, failure)
	refusal := s.refusedWrites.Persisting(binding)
	if !isRefused(failure) || refusal.IsZero() {
		return failure
	}
	seen, err := s.observe(binding)
	if err != nil {
		return err
	}
	seen.refusal = refusal
	decided := decide(seen)
	decided.mustWrite = granted.mustWrite
	if s.isInEffect(binding, decided) {
		return failure
	}
	if err := s.applyStatus(binding, decided); err != nil {
		return err
	}
	s.queue.addClaimants(s.claims, binding, slots.ListedBy(binding))
	return failure
}

// isInEffect reports whether the binding has the status that was decided.
func (s *session) isInEffect(binding *signetv1alpha1.SignatureBinding, decided *decision) bool {
	return s.claims.IsSettled(binding.Name) && !decided.mustWrite && equality.Semantic.DeepEqual(&decided.status, &binding.Status)
}
