// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/events"
)

// errNotLeading keeps a manager that has lost its lease from writing. It is on
// its way out; what it has not written the next leader decides anew.
var errNotLeading = errors.New("the lease has run out: nothing is written")

// errStale says that a decision was made on a binding or key that has changed
// or gone meanwhile. The watch brings the news, and the decision is made again.
var errStale = errors.New("binding or key has changed meanwhile")

// managedSecret is the managed Secret of a key, by name alone.
func managedSecret(key *signetv1alpha1.SignatureKey) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}}
}

// apply writes what has been decided, if it changes anything: the finalizers
// that have to be there before, then the status, which carries the
// resourceVersion that the decision was made on.
func (s *session) apply(binding *signetv1alpha1.SignatureBinding, found *decision) error {
	found.status.FencingToken = binding.Status.FencingToken
	if !found.fence && equality.Semantic.DeepEqual(&found.status, &binding.Status) {
		return nil
	}
	if !s.Leading() {
		return errNotLeading
	}
	if found.grants {
		if err := s.protect(binding.Namespace, found.key.name); err != nil {
			return err
		}
	}
	after := binding.DeepCopy()
	after.Status = found.status
	after.Status.FencingToken++
	if err := s.writeStatus(after); err != nil {
		return err
	}
	s.queue.others(s.claims, after, s.claims.Confirm(after))
	events.ObserveTimeToReady(after, binding.Status.Conditions, after.Status.Conditions, s.now)
	s.announcer.Transitions(s.ctx, after, binding.Status.Conditions, after.Status.Conditions,
		signetv1alpha1.ConditionReady, signetv1alpha1.ConditionPathRewritten)
	return nil
}

// writeStatus writes the status. When it is not known whether that has
// happened, nobody gets what the binding may hold before it is written again.
func (s *session) writeStatus(binding *signetv1alpha1.SignatureBinding) error {
	err := s.Client.Status().Update(s.ctx, binding)
	switch {
	case err == nil:
		return nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return errStale // refused: nothing has been written
	default:
		s.claims.Invalidate(binding.Name)
	}
	return fmt.Errorf("write the status of SignatureBinding %s: %w", client.ObjectKeyFromObject(binding), err)
}
