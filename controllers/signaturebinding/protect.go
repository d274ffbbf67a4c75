// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/slots"
)

// errNotPublished means that backends which read the public ConfigMap do not know the
// version that signs.
var errNotPublished = errors.New("it does not have the active version")

// protectionTarget is a key that is about to sign for a binding, and its objects, in
// the newest versions that this process knows.
type protectionTarget struct {
	key    *signetv1alpha1.SignatureKey
	secret *corev1.Secret
	// public is nil for all types but PublicKey.
	public *corev1.ConfigMap
	// fence is true if all must be written even if they carry the finalizer: a late
	// write that removes it fails only if the object has changed since that was
	// decided. An acknowledged grant proves that this has been done.
	fence bool
}

// objects are in the order in which they are protected. The key comes first: if it is
// deleted in between, it stays until the others have been released.
func (t *protectionTarget) objects() []client.Object {
	objects := []client.Object{t.key, t.secret}
	if t.public != nil {
		objects = append(objects, t.public)
	}
	return objects
}

// protect adds the finalizer to the key and its objects where it is missing, unless
// the key is known to be protected. Nobody else writes them meanwhile. They may have
// changed since the caches were read: then the write fails, and nothing is granted.
func (s *session) protect(namespace, name string) error {
	end, ok := s.Reconciler.claims().WriteKey(namespace, name, s.waiter())
	if !ok {
		return errBusy
	}
	defer end()
	target, err := s.observeUnprotected(namespace, name)
	if err != nil || s.claims.IsProtected(name, target.key.UID) {
		return err
	}
	s.claims.SetProtection(name, target.key.UID, slots.ProtectionUnknown) // until all are acknowledged
	for _, object := range target.objects() {
		var err error
		switch {
		case !signetv1alpha1.IsProtected(object):
			err = s.addFinalizer(object, target.secret)
		case target.fence:
			err = s.moveFence(object, target.secret)
		}
		if err != nil {
			return err
		}
	}
	versions := slots.ProtectedVersions{Key: target.key.ResourceVersion, Secret: target.secret.ResourceVersion}
	if target.public != nil {
		versions.Public = target.public.ResourceVersion
	}
	s.claims.SetProtected(name, target.key.UID, versions)
	return nil
}

// observeUnprotected reads the key and its objects. Another owner's Secret must not get
// the finalizer, nor a key that has lost its material since the decision.
func (s *session) observeUnprotected(namespace, name string) (*protectionTarget, error) {
	key, err := s.readKey(namespace, name)
	if err != nil {
		return nil, err
	}
	if key == nil || key.Status.KeyID == "" {
		return nil, errStale
	}
	target := &protectionTarget{key: key.DeepCopy(), fence: !s.claims.Use(key).Granted}
	at := client.ObjectKey{Namespace: namespace, Name: key.EffectiveTargetName()}
	if target.secret, err = readObject[corev1.Secret](s, at); err != nil {
		return nil, err
	}
	if !material.IsOwnedBy(target.secret, key) {
		return nil, errStale
	}
	if key.Spec.Type != signetv1alpha1.KeyTypePublicKey {
		return target, nil
	}
	at.Name = key.PublicConfigMapName()
	if target.public, err = readObject[corev1.ConfigMap](s, at); err != nil {
		return nil, err
	}
	if !material.IsPublished(target.secret.Data, target.public.Data) {
		// A late write has changed it. The controller of keys corrects that; if it
		// cannot, it is reported as a failed write.
		return nil, errors.Join(errStale, kubeclient.FailedWrite(kubeclient.VerbPatch, errNotPublished, target.public, target.secret))
	}
	return target, nil
}

// readKey returns the newest known version of a key; nil if it does not exist.
func (s *session) readKey(namespace, name string) (*signetv1alpha1.SignatureKey, error) {
	key, err := kubeclient.GetOrNil[signetv1alpha1.SignatureKey](s.ctx, s.Client, client.ObjectKey{Namespace: namespace, Name: name})
	if err != nil || key == nil {
		return nil, err
	}
	return kubeclient.Newest(s.Written, key), nil
}

// readObject returns a copy of the newest known version of an object of a key. One that
// the caches do not show is read from the API server: they exclude objects without
// Signet's label, and may lag. One that does not exist fails like the write of the
// finalizer would: if the controller of keys cannot restore it, that is reported.
func readObject[T any, P interface {
	*T
	client.Object
}](s *session, at client.ObjectKey) (P, error) {
	object, err := kubeclient.GetOrNil[T, P](s.ctx, s.Client, at)
	if err == nil && object == nil {
		return readLive[T, P](s, at)
	}
	if err != nil {
		return nil, err
	}
	return kubeclient.Copy(kubeclient.Newest(s.Written, object)), nil
}

func readLive[T any, P interface {
	*T
	client.Object
}](s *session, at client.ObjectKey) (P, error) {
	object := P(new(T))
	err := s.Live.Get(s.ctx, at, object)
	if apierrors.IsNotFound(err) {
		object.SetNamespace(at.Namespace)
		object.SetName(at.Name)
		return nil, kubeclient.FailedWrite(kubeclient.VerbPatch, err, object)
	}
	if err != nil {
		return nil, fmt.Errorf("read %T %s: %w", object, at, err)
	}
	return object, nil
}

// addFinalizer adds the finalizer to an object. The data of the Secret must not appear
// in the error.
func (s *session) addFinalizer(object client.Object, secret *corev1.Secret) error {
	before := kubeclient.Copy(object)
	controllerutil.AddFinalizer(object, signetv1alpha1.FinalizerProtection)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return s.written(s.Client.Patch(s.ctx, object, patch), object, secret)
}

// moveFence changes an object that carries the finalizer already, so that a removal
// that was decided on an earlier version fails.
func (s *session) moveFence(object client.Object, secret *corev1.Secret) error {
	before := kubeclient.Copy(object)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if key, ok := object.(*signetv1alpha1.SignatureKey); ok {
		key.Status.FencingToken++
		return s.written(s.Client.Status().Patch(s.ctx, key, patch), key, secret)
	}
	material.MoveFence(object)
	return s.written(s.Client.Patch(s.ctx, object, patch), object, secret)
}

// written keeps the response to a write of the finalizer or the fencing token, or
// returns its error.
func (s *session) written(err error, object client.Object, secret *corev1.Secret) error {
	if err == nil {
		s.Written.Store(kubeclient.Copy(object))
		return nil
	}
	stale := apierrors.IsNotFound(err)
	err = kubeclient.FailedWrite(kubeclient.VerbPatch, err, object, secret)
	if stale || kubeclient.IsStale(err) {
		return errors.Join(errStale, err) // nothing has been granted
	}
	return err
}
