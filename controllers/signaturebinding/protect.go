// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

// protectionTarget is a key that is about to sign for a binding, and its managed
// Secret, as the API server has them.
type protectionTarget struct {
	key    *signetv1alpha1.SignatureKey
	secret *corev1.Secret
	// fence is true if both must be written even if they carry the finalizer: a late
	// write that removes it fails only if the object has changed since that was
	// decided. An acknowledged grant proves that this has been done.
	fence bool
}

// observeUnprotected returns what has to be protected before the key first signs for
// a binding; nil if it is known to be. The caches may not show yet that a finalizer
// was removed a moment ago, so the objects are read live.
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
	target := &protectionTarget{key: key, secret: secret, fence: !s.claims.Use(key).Granted}
	if !target.fence && isProtected(key) && isProtected(secret) {
		s.setProtected(target)
		return nil, nil //nolint:nilnil // there is nothing to protect
	}
	return target, nil
}

// protect adds the finalizer to the key and to its Secret where it is missing. The
// key comes first: if it is deleted in between, it stays until its Secret has been
// released.
func (s *session) protect(target *protectionTarget) error {
	s.claims.SetProtection(target.key.Name, target.key.UID, slots.ProtectionUnknown) // until both are acknowledged
	for _, object := range []client.Object{target.key, target.secret} {
		var err error
		switch {
		case !isProtected(object):
			err = s.addFinalizer(object, target.secret)
		case target.fence:
			err = s.moveFence(object, target.secret)
		}
		if err != nil {
			return err
		}
	}
	s.setProtected(target)
	return nil
}

func (s *session) setProtected(target *protectionTarget) {
	s.claims.SetProtected(target.key.Name, target.key.UID, slots.ProtectedVersions{
		Key: target.key.ResourceVersion, Secret: target.secret.ResourceVersion,
	})
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

// addFinalizer adds the finalizer to an object. The data of the Secret must not appear
// in the error.
func (s *session) addFinalizer(object client.Object, secret *corev1.Secret) error {
	before := object.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy has the type of the original
	controllerutil.AddFinalizer(object, signetv1alpha1.FinalizerProtection)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return protectionError(s.Client.Patch(s.ctx, object, patch), object, secret)
}

// moveFence changes an object that carries the finalizer already, so that a removal
// that was decided on an earlier version fails.
func (s *session) moveFence(object client.Object, secret *corev1.Secret) error {
	switch object := object.(type) {
	case *signetv1alpha1.SignatureKey:
		patch := client.MergeFromWithOptions(object.DeepCopy(), client.MergeFromWithOptimisticLock{})
		object.Status.FencingToken++
		return protectionError(s.Client.Status().Patch(s.ctx, object, patch), object, secret)
	default:
		before := object.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy has the type of the original
		material.MoveFence(object)
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return protectionError(s.Client.Patch(s.ctx, object, patch), object, secret)
	}
}

// protectionError returns the error of a write of the finalizer or the fencing token.
func protectionError(err error, object client.Object, secret *corev1.Secret) error {
	err = kubeclient.FailedWrite(kubeclient.VerbPatch, err, object, secret)
	if kubeclient.IsStale(err) {
		return errStale // nothing has been granted
	}
	return err
}

func isProtected(object client.Object) bool {
	return controllerutil.ContainsFinalizer(object, signetv1alpha1.FinalizerProtection)
}
