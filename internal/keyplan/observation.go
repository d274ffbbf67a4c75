// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

// Observation is all that the plan of a key depends on. It is immutable: nothing
// that it refers to may be changed.
type Observation struct {
	// Key as the cache shows it.
	Key *signetv1alpha1.SignatureKey
	// PublicKeyEnabled reports whether new keys of type PublicKey are allowed.
	PublicKeyEnabled bool

	// Secret has the name of the managed Secret; nil if there is none. The cache
	// shows only Secrets with the label signet.dev/signature-material.
	Secret *corev1.Secret
	// SecretLive reports whether Secret, or its absence, is the answer of a live
	// read.
	SecretLive bool
	// SecretSent reports whether Secret has the bytes of one that this process has sent
	// to create for the key, without an acknowledgment, and that has not been on record:
	// no other client knows them.
	SecretSent bool
	// GoneUID is a UID of a managed Secret that a live read has shown to be gone, so
	// that it need not be read again.
	GoneUID string
	// NameTaken reports whether a create has found an object that the caches do not
	// show, and no live read has shown since that it is gone.
	NameTaken bool
	// Public has the name of the public ConfigMap; nil if there is none, and for
	// all types but PublicKey.
	Public *corev1.ConfigMap
	// PublicLive reports whether Public, or its absence, is the answer of a live
	// read.
	PublicLive bool
	// Answer is what an earlier live read has found, if that still stands.
	Answer LiveAnswer

	// Source is the Secret in spec.source.secretRef; nil if the cache has none.
	Source *corev1.Secret
	// CipherKeys are the keys of type AES with the same source, in order. Their
	// identifier is secret.
	CipherKeys []string

	// Users are the names of the bindings that use the key, in order.
	Users []string
	// HasHolder reports whether one of them holds an API with the key's material.
	HasHolder bool
	// Unsettled reports whether a binding may use the key by a write whose outcome is
	// unknown. It is among the Users.
	Unsettled bool
	// Releasing reports whether the claim cache has the key as Releasing, under the
	// lock of its namespace. Then no binding can be granted the key, Users is what
	// the API server has, and Secret has the finalizer if the API server's has.
	Releasing bool

	// NamespaceTerminating reports whether the namespace is being deleted.
	NamespaceTerminating bool
	// Leaving reports whether Signet is to leave the namespace, which may stay:
	// finalizers are removed, and nothing else is written.
	Leaving bool
	// CreateRefused reports whether the API server has refused a create in this
	// pass because the namespace is being deleted.
	CreateRefused bool

	// Watch is since when this process has seen the rotation in its state.
	Watch material.Watch
	// Refusal is the write on behalf of the key that fails; zero if none does. It is
	// known when the plan has been tried, so that Compute ignores it.
	Refusal status.Refusal
	// CacheLag is how long to wait for caches that do not show Signet's own writes
	// yet; zero if they do.
	CacheLag time.Duration
}

// LiveAnswer is what a live read has led to. It spares an unchanged key further
// live reads for a while.
type LiveAnswer struct {
	// Readiness is SecretOwnedByOther, SecretTerminating, SecretLost,
	// NamespaceTerminating, or zero without an answer.
	Readiness status.Readiness
	// Left is for how long the answer stands.
	Left time.Duration
}

func (o *Observation) terminating() bool { return !o.Key.DeletionTimestamp.IsZero() }

// deletable reports whether the key is being deleted and nothing prevents that.
func (o *Observation) deletable() bool {
	return o.terminating() && (o.releasesAll() || len(o.Users) == 0)
}

// releasesAll reports whether finalizers are removed although bindings use the key.
func (o *Observation) releasesAll() bool { return o.NamespaceTerminating || o.Leaving }

// firstSeen reports whether the key has no status yet, except for the -1 that
// its schema sets, and for what is reported while its first write is refused: every
// plan that has been applied sets InUse.
func (o *Observation) firstSeen() bool {
	return o.Key.Status.ObservedGeneration <= 0 ||
		meta.FindStatusCondition(o.Key.Status.Conditions, signetv1alpha1.ConditionInUse) == nil
}

// blocked reports whether an earlier live read has found an object that is not
// managed by the key, or not yet.
func (o *Observation) blocked() bool {
	reason := o.Answer.Readiness.Reason
	return reason == signetv1alpha1.ReasonSecretOwnedByOther || reason == signetv1alpha1.ReasonSecretTerminating
}
