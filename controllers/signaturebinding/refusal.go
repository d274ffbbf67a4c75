// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// isPersisting records that the key cannot be protected, and reports whether that is to
// be reported. Then the binding decides again, without the grant: it reports the
// reason, is fenced, and its rivals do not take it for the holder.
func (s *session) isPersisting(binding *signetv1alpha1.SignatureBinding, failure error) bool {
	if refusalOf(failure) == nil {
		return false
	}
	s.refusedWrites.Record(binding, failure)
	s.refusal = s.refusedWrites.Persisting(binding)
	events.CountFailedWrite(failure, !s.refusal.IsZero())
	return !s.refusal.IsZero()
}

// tellRivals wakes the other claimants when it begins that the key of the binding cannot
// be protected, and when it ends: only meanwhile they do not take it for the holder. That
// is memory of this process, so its status may report it already.
func (s *session) tellRivals(binding *signetv1alpha1.SignatureBinding) {
	var changed bool
	if s.refusal.IsZero() {
		changed = s.refusedWrites.Forget(s.request.NamespacedName)
	} else {
		changed = s.refusedWrites.Announce(binding)
	}
	if !changed {
		return
	}
	for _, name := range s.claims.Rivals(s.request.Name) {
		s.queue.Add(s.request.Namespace, name)
	}
}

// isInEffect reports whether the binding has the status that was decided.
func (s *session) isInEffect(binding *signetv1alpha1.SignatureBinding, decided *decision) bool {
	return s.claims.IsSettled(binding.Name) && !decided.mustWrite && equality.Semantic.DeepEqual(&decided.status, &binding.Status)
}

// refusalOf returns the write that has failed; nil if it is another error. A conflict
// that persists is one: no newer version of the object resolves it.
func refusalOf(err error) error {
	if failed := (*kubeclient.WriteError)(nil); errors.As(err, &failed) {
		return failed
	}
	return nil
}
