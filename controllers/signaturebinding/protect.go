// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

// protectionTarget is a key that is about to sign for a binding, and its managed
// Secret, as the API server has them.
type protectionTarget struct {
	key    *signetv1alpha1.SignatureKey
	secret *corev1.Secret
}

// observeUnprotected returns what has to carry the finalizer before the key first
// signs for a binding; nil if it is known to. The caches may not show yet that a
// finalizer was removed a moment ago, so the objects are read live.
func (s *session) observeUnprotected(namespace, name string) (*protectionTarget, error) {
	if cached, err := s.key(namespace, name); err != nil || cached != nil && s.claims.IsProtected(name, cached.UID) {
		return nil, err
	}
	key, secret, err := s.readLive(namespace, name)
	if err != nil {
		return nil, err
	}
	// Another owner's Secret must not get the finalizer, nor a key that has lost its
	// material since the caches were read.
	if key.Status.KeyID == "" || !material.IsOwnedBy(secret, key) {
		return nil, errStale
	}
	state := slots.ObservedProtection(isProtected(key), isProtected(secret))
	s.claims.SetProtection(name, key.UID, state)
	if state == slots.ProtectionProtected {
		return nil, nil //nolint:nilnil // there is nothing to protect
	}
	return &protectionTarget{key: key, secret: secret}, nil
}

// protect adds the finalizer to the Secret and to the key where it is missing.
func (s *session) protect(target *protectionTarget) error {
	name, uid := target.key.Name, target.key.UID
	s.claims.SetProtection(name, uid, slots.ProtectionUnknown) // until both writes are acknowledged
	for _, object := range []client.Object{target.secret, target.key} {
		if err := s.addFinalizer(object); err != nil {
			return err
		}
	}
	s.claims.SetProtection(name, uid, slots.ProtectionProtected)
	return nil
}

// readLive reads a key and its managed Secret from the API server.
func (s *session) readLive(namespace, name string) (*signetv1alpha1.SignatureKey, *corev1.Secret, error) {
	key := &signetv1alpha1.SignatureKey{}
	if err := s.Live.Get(s.ctx, client.ObjectKey{Namespace: namespace, Name: name}, key); err != nil {
		return nil, nil, fmt.Errorf("read SignatureKey %s/%s: %w", namespace, name, err)
	}
	secret := &corev1.Secret{}
	if err := s.Live.Get(s.ctx, client.ObjectKey{Namespace: namespace, Name: key.EffectiveTargetName()}, secret); err != nil {
		return nil, nil, fmt.Errorf("read Secret %s/%s: %w", namespace, key.EffectiveTargetName(), err)
	}
	return key, secret, nil
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
		return fmt.Errorf("protect %T %s: %w", object, client.ObjectKeyFromObject(object), err)
	}
	return nil
}

func isProtected(object client.Object) bool {
	return controllerutil.ContainsFinalizer(object, signetv1alpha1.FinalizerProtection)
}
