// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/material"
)

// observe reads all that the plan of a key depends on: from the caches, and from
// the API server where the plan would have to rely on an absence that the caches
// cannot prove. It reads no more if the caches lag behind.
func (r *Reconciler) observe(ctx context.Context, key *signetv1alpha1.SignatureKey) (keyplan.Observation, error) {
	o := keyplan.Observation{Key: key, PublicKeyEnabled: r.PublicKeyEnabled, Watch: r.rotations.watch(key)}
	o.Leaving = r.Term.Served.IsLeaving(ctx, key.Namespace)
	o.Answer.Readiness, o.Answer.Left = r.liveReads.lookup(key)
	o.GoneUID, o.NameTaken = r.liveReads.lookupSecret(key)
	if err := r.observeCached(ctx, &o); err != nil || o.CacheLag > 0 {
		return o, err
	}
	if err := r.observeLive(ctx, &o); err != nil || o.CacheLag > 0 {
		return o, err
	}
	return o, r.checkKey(ctx, &o)
}

// checkKey checks that the cache shows the key as it is, where the plan would rely on
// that: nothing is written on behalf of a key that is gone or being deleted.
func (r *Reconciler) checkKey(ctx context.Context, o *keyplan.Observation) error {
	if !keyplan.NeedsLiveKey(*o) {
		return nil
	}
	key, err := kubeclient.GetOrNil[signetv1alpha1.SignatureKey](ctx, r.Live, client.ObjectKeyFromObject(o.Key))
	if err == nil && (key == nil || key.UID != o.Key.UID || !key.DeletionTimestamp.Equal(o.Key.DeletionTimestamp)) {
		o.CacheLag = kubeclient.StaleDelay
	}
	return err
}

// observeCached reads what the caches have. They have no Secret without the label
// signet.dev/signature-material.
func (r *Reconciler) observeCached(ctx context.Context, o *keyplan.Observation) error {
	var err error
	if o.Secret, err = kubeclient.GetOrNil[corev1.Secret](ctx, r.Client, secretName(o.Key)); err != nil {
		return err
	}
	if o.Secret != nil {
		o.Secret = kubeclient.Newest(r.Written, o.Secret)
		o.SecretSent = r.sent.observe(o.Key, o.Secret)
	}
	if name := o.Key.SourceName(); name != "" {
		if o.Source, err = kubeclient.GetOrNil[corev1.Secret](ctx, r.Client, client.ObjectKey{Namespace: o.Key.Namespace, Name: name}); err != nil {
			return err
		}
	}
	if keyplan.PublishesSource(o.Key, o.Source) {
		if o.CipherKeys, err = r.cipherKeysOf(ctx, o.Source); err != nil {
			return err
		}
	}
	if o.Key.Spec.Type == signetv1alpha1.KeyTypePublicKey {
		if o.Public, err = kubeclient.GetOrNil[corev1.ConfigMap](ctx, r.Client, publicName(o.Key)); err != nil {
			return err
		}
		if o.Public != nil {
			o.Public = kubeclient.Newest(r.Written, o.Public)
		}
	}
	claims := r.claims().Namespace(o.Key.Namespace)
	if !claims.IsPrimed() {
		o.CacheLag = kubeclient.StaleDelay // the namespace is no longer served
		return nil
	}
	use := claims.Use(o.Key)
	o.Users, o.HasHolder = use.Users, use.Granted
	return nil
}

// observeLive reads what the caches cannot answer.
func (r *Reconciler) observeLive(ctx context.Context, o *keyplan.Observation) error {
	suspected := !o.Key.DeletionTimestamp.IsZero() ||
		(material.IsOwnedBy(o.Secret, o.Key) && !o.Secret.DeletionTimestamp.IsZero())
	var err error
	if o.NamespaceTerminating, err = r.namespaceTerminating(ctx, o.Key.Namespace, suspected); err != nil {
		return err
	}
	return r.observeAbsent(ctx, o)
}

// observeAbsent reads what the caches do not show but the plan would rely on.
func (r *Reconciler) observeAbsent(ctx context.Context, o *keyplan.Observation) error {
	var err error
	if keyplan.NeedsLiveSecret(*o) {
		if err := r.readSecret(ctx, o); err != nil {
			return err
		}
	}
	if keyplan.NeedsLivePublic(*o) {
		if o.Public, err = kubeclient.GetOrNil[corev1.ConfigMap](ctx, r.Live, publicName(o.Key)); err != nil {
			return err
		}
		o.PublicLive = true
	}
	if o.SecretLive || o.PublicLive {
		r.liveReads.storeSecret(o.Key, o.GoneUID, o.NameTaken && (o.Secret != nil || o.Public != nil))
	}
	return nil
}

// readSecret reads the managed Secret from the API server. If it is another than
// the one on record, that one is gone: the name was the same.
func (r *Reconciler) readSecret(ctx context.Context, o *keyplan.Observation) error {
	secret, err := kubeclient.GetOrNil[corev1.Secret](ctx, r.Live, secretName(o.Key))
	if err != nil {
		return err
	}
	o.Secret, o.SecretLive, o.SecretSent = secret, true, r.sent.observe(o.Key, secret)
	if recorded := o.Key.Status.SecretUID; secret == nil || string(secret.UID) != recorded {
		o.GoneUID = recorded
	}
	return nil
}

// observeReleasing completes the observation of a key that is Releasing: live reads
// show what the caches may lack, such as a finalizer that has just been added.
func (r *Reconciler) observeReleasing(ctx context.Context, o *keyplan.Observation) error {
	protected := o.Secret != nil && signetv1alpha1.IsProtected(o.Secret)
	if !o.SecretLive && (!protected || !material.IsOwnedBy(o.Secret, o.Key)) {
		if err := r.readSecret(ctx, o); err != nil {
			return err
		}
	}
	if o.Key.Spec.Type == signetv1alpha1.KeyTypePublicKey && o.Public == nil && !o.PublicLive {
		var err error
		if o.Public, err = kubeclient.GetOrNil[corev1.ConfigMap](ctx, r.Live, publicName(o.Key)); err != nil {
			return err
		}
		o.PublicLive = true
	}
	return r.observeAbsent(ctx, o)
}

// cipherKeysOf returns the names of the keys of type AES with this source, in
// order.
func (r *Reconciler) cipherKeysOf(ctx context.Context, source *corev1.Secret) ([]string, error) {
	var keys signetv1alpha1.SignatureKeyList
	err := r.Client.List(ctx, &keys, client.InNamespace(source.Namespace),
		client.MatchingFields{index.KeySource: source.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list SignatureKeys with the source %s: %w", client.ObjectKeyFromObject(source), err)
	}
	var names []string
	for i := range keys.Items {
		if keys.Items[i].Spec.Type == signetv1alpha1.KeyTypeAES {
			names = append(names, keys.Items[i].Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// namespaceTerminating reports whether the namespace is being deleted. Where the
// manager may not watch namespaces it is read live, and only if an object in it
// is being deleted.
func (r *Reconciler) namespaceTerminating(ctx context.Context, name string, suspected bool) (bool, error) {
	reader := client.Reader(r.Client)
	if !r.ClusterWide {
		if !suspected {
			return false, nil
		}
		if r.liveReads.isStaying(name) {
			return false, nil
		}
		reader = r.Live
	}
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := reader.Get(ctx, types.NamespacedName{Name: name}, namespace); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read Namespace %s: %w", name, err)
	}
	terminating := !namespace.DeletionTimestamp.IsZero()
	if !r.ClusterWide && !terminating {
		r.liveReads.storeStaying(name)
	}
	return terminating, nil
}

func secretName(key *signetv1alpha1.SignatureKey) client.ObjectKey {
	return client.ObjectKey{Namespace: key.Namespace, Name: key.EffectiveTargetName()}
}

func publicName(key *signetv1alpha1.SignatureKey) client.ObjectKey {
	return client.ObjectKey{Namespace: key.Namespace, Name: key.PublicConfigMapName()}
}
