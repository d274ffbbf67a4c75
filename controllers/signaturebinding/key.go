// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/status"
)

// bindingKey is the key of a binding as it stands.
type bindingKey struct {
	// name of the key that signs for the binding: the one that spec.keyRef
	// names, or during a move the one before it; empty while there is none.
	name string
	// inForce says that the key has material to sign with.
	inForce     bool
	displayName string
	// problem is why the key that spec.keyRef names does not sign; empty if
	// it does.
	problem status.Readiness
}

// effectiveKey finds the key that signs for the binding.
func (s *session) effectiveKey(binding *signetv1alpha1.SignatureBinding) (bindingKey, error) {
	wanted, err := s.key(binding.Namespace, binding.Spec.KeyRef.Name)
	if err != nil {
		return bindingKey{}, err
	}
	problem := keyProblem(binding, wanted)
	if problem.IsZero() {
		return bindingKey{name: wanted.Name, inForce: true, displayName: wanted.Status.DisplayName}, nil
	}
	current := binding.Status.KeyName
	found := bindingKey{name: current, problem: problem, displayName: binding.Status.DisplayName}
	if current == "" || current == binding.Spec.KeyRef.Name {
		return found, nil
	}
	before, err := s.key(binding.Namespace, current)
	if err != nil {
		return bindingKey{}, err
	}
	if before != nil && before.Status.KeyID != "" {
		found.inForce, found.displayName = true, before.Status.DisplayName
	}
	found.problem.Message += fmt.Sprintf(" Until then SignatureKey %s goes on signing.", current)
	return found, nil
}

// key reads a SignatureKey from the cache, once; nil if there is none.
func (s *session) key(namespace, name string) (*signetv1alpha1.SignatureKey, error) {
	if key, known := s.keys[name]; known {
		return key, nil
	}
	key := &signetv1alpha1.SignatureKey{}
	err := s.Client.Get(s.ctx, types.NamespacedName{Namespace: namespace, Name: name}, key)
	if apierrors.IsNotFound(err) {
		key = nil
	} else if err != nil {
		return nil, fmt.Errorf("read SignatureKey %s/%s: %w", namespace, name, err)
	}
	s.keys[name] = key
	return key, nil
}

// keyProblem says why a key does not sign for a binding that names it.
func keyProblem(binding *signetv1alpha1.SignatureBinding, key *signetv1alpha1.SignatureKey) status.Readiness {
	name := binding.Spec.KeyRef.Name
	if key == nil {
		return status.Waiting(signetv1alpha1.ReasonKeyNotFound, fmt.Sprintf("There is no SignatureKey %s in this namespace: create it, or correct spec.keyRef.name.", name))
	}
	if slots.CreatedAfterDeletion(binding, key) || slots.TerminatingUnprotected(key) {
		return status.Stalled(signetv1alpha1.ReasonKeyTerminating, fmt.Sprintf("SignatureKey %s is being deleted and takes no new bindings: name another key in spec.keyRef.", name))
	}
	if key.Status.KeyID != "" {
		return status.Readiness{}
	}
	reason := signetv1alpha1.ReasonKeyNotReady
	if condition := meta.FindStatusCondition(key.Status.Conditions, signetv1alpha1.ConditionReady); condition != nil {
		reason = condition.Reason
	}
	switch reason {
	case signetv1alpha1.ReasonSecretLost:
		return status.Stalled(reason, fmt.Sprintf("The Secret of SignatureKey %s is lost: its status says how to bring it back.", name))
	case signetv1alpha1.ReasonTypeNotEnabled:
		return status.Stalled(reason, fmt.Sprintf("The type of SignatureKey %s is not enabled and it has no material: its status says what to do.", name))
	default:
		return status.Waiting(signetv1alpha1.ReasonKeyNotReady, fmt.Sprintf("SignatureKey %s has no material yet (%s): its status says what it waits for.", name, reason))
	}
}

// eligible says whether the binding may hold slots at all. A read that fails
// is kept for the decision to return.
func (s *session) eligible(binding *signetv1alpha1.SignatureBinding) bool {
	key, err := s.key(binding.Namespace, binding.Spec.KeyRef.Name)
	if err != nil {
		s.failed = err
	}
	return key == nil || !slots.CreatedAfterDeletion(binding, key)
}

// protect puts our finalizer on the key's Secret and on the key, before the key
// first signs for a binding. The caches may not show that it has been taken
// away a moment ago: what is not known to be held is read live.
func (s *session) protect(namespace, name string) error {
	if cached, err := s.key(namespace, name); err != nil || cached != nil && s.claims.IsProtected(name, cached.UID) {
		return err
	}
	key := &signetv1alpha1.SignatureKey{}
	if err := s.Live.Get(s.ctx, types.NamespacedName{Namespace: namespace, Name: name}, key); err != nil {
		return fmt.Errorf("read SignatureKey %s/%s: %w", namespace, name, err)
	}
	secret := managedSecret(key)
	if err := s.Live.Get(s.ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
		return fmt.Errorf("read Secret %s/%s: %w", namespace, secret.Name, err)
	}
	// A Secret of somebody else's must not get our finalizer, nor a key that has
	// lost its material since the caches were looked at.
	if key.Status.KeyID == "" || !material.IsOwnedBy(secret, key) {
		return errStale
	}
	for _, object := range []client.Object{secret, key} {
		if err := s.addFinalizer(object); err != nil {
			return err
		}
	}
	s.claims.SetProtection(name, key.UID, slots.ProtectionProtected)
	return nil
}

func (s *session) addFinalizer(object client.Object) error {
	before, ok := object.DeepCopyObject().(client.Object)
	if !ok || !controllerutil.AddFinalizer(object, signetv1alpha1.FinalizerProtection) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := s.Client.Patch(s.ctx, object, patch); apierrors.IsConflict(err) {
		return errStale // nothing has been granted
	} else if err != nil {
		return fmt.Errorf("hold %T %s: %w", object, client.ObjectKeyFromObject(object), err)
	}
	return nil
}
