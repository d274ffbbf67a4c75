// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// Grace is how long a vanished managed Secret is treated as unchanged: replacing or
// restoring a Secret can delete it first.
const Grace = 10 * time.Second

// key is the part of a SignatureKey that identifies its material.
type key struct {
	secret    string
	keyType   signetv1alpha1.KeyType
	algorithm signetv1alpha1.KeyAlgorithm
	// uid is that of the managed Secret on record; empty if none is.
	uid types.UID
}

func newKey(object *signetv1alpha1.SignatureKey) key {
	return key{
		secret: object.EffectiveTargetName(), keyType: object.Spec.Type, algorithm: object.Spec.Algorithm,
		uid: types.UID(object.Status.SecretUID),
	}
}

// keyState is a key with its managed Secret, which is nil if there is none.
type keyState struct {
	key
	managed *secret
}

// secret is the state of a managed Secret.
type secret struct {
	uid types.UID
	// owner is the name of the SignatureKey that manages the Secret by its metadata.
	// It counts only for a key without a UID on record.
	owner string
	// set is the material. It is nil if there is no valid one.
	set *set
	// problem is why the Secret is no longer valid, and since is when it vanished.
	// It is zero if the Secret is unusable immediately.
	problem Reason
	since   time.Time
	// previous is a vanished Secret of the same name and another UID; nil for none.
	previous *secret
}

// set is the material of a managed Secret, ready to sign.
type set struct {
	keyType   signetv1alpha1.KeyType
	algorithm signetv1alpha1.KeyAlgorithm
	active    *signature.Key
	// next and previous are nil if they do not exist. The previous version is
	// accepted until the given time, or as long as it exists if that is zero.
	next, previous *signature.Key
	until          time.Time
}

// newSecret converts a Secret. The one of another UID that it replaces stays usable
// for Grace, until the manager has put one of the two on record.
func newSecret(object *corev1.Secret, before *secret, now time.Time) *secret {
	converted := convert(object)
	if before != nil && before.uid != converted.uid {
		converted.previous = before.vanished(now)
	} else if before != nil {
		converted.previous = before.previous
	}
	return converted
}

func convert(object *corev1.Secret) *secret {
	if object.Type != signetv1alpha1.SecretType {
		return &secret{uid: object.UID, problem: ReasonSecretNotOwned}
	}
	owner := ownerOf(object)
	decoded, err := material.Decode(object.Data)
	// If another client has changed the material, the manager adopts it as a new
	// version: backends already read it.
	if err != nil && !errors.Is(err, material.ErrModified) {
		return &secret{uid: object.UID, owner: owner, problem: ReasonSecretBroken}
	}
	usable, err := newSet(decoded)
	if err != nil {
		return &secret{uid: object.UID, owner: owner, problem: ReasonSecretBroken}
	}
	return &secret{uid: object.UID, owner: owner, set: usable}
}

// vanished returns the Secret after it has vanished.
func (s *secret) vanished(now time.Time) *secret {
	next := *s
	next.problem = ReasonSecretMissing
	if next.since.IsZero() {
		next.since = now
	}
	return &next
}

// expired returns what is left of the Secret when material that has vanished longer
// than Grace ago is dropped; nil if nothing is.
func (s *secret) expired(now time.Time) *secret {
	switch {
	case s == nil, !s.since.IsZero() && !now.Before(s.since.Add(Grace)):
		return nil // what it replaced vanished even earlier
	case s.previous == nil:
		return s
	}
	previous := s.previous.expired(now)
	if previous == s.previous {
		return s
	}
	next := *s
	next.previous = previous
	return &next
}

// withUID returns the Secret of that UID, which may have vanished; nil if there is
// none.
func (s *secret) withUID(uid types.UID) *secret {
	for s != nil && s.uid != uid {
		s = s.previous
	}
	return s
}

// usable returns the material, or nil if it must not be used at the given time.
func (s *secret) usable(now time.Time) *set {
	if s.problem != "" && !now.Before(s.since.Add(Grace)) {
		return nil
	}
	return s.set
}

// ownerOf returns the name of the SignatureKey that manages the Secret by its
// metadata. It returns an empty string if no key does, or if the Secret also has
// another owner.
func ownerOf(object *corev1.Secret) string {
	name := object.Labels[signetv1alpha1.LabelKey]
	owner := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if object.Labels[signetv1alpha1.LabelMaterial] != signetv1alpha1.MaterialManaged || material.HasOtherOwner(object, owner) {
		return ""
	}
	return name
}

func newSet(decoded *material.Set) (*set, error) {
	converted := &set{keyType: decoded.Type, algorithm: decoded.Algorithm}
	var err error
	if converted.active, err = newVersion(decoded, &decoded.Active); err != nil {
		return nil, err
	}
	if converted.next, err = newVersion(decoded, decoded.Next); err != nil {
		return nil, err
	}
	// The manager removes the previous version when it retires. If it does not, the
	// version expires anyway, but this clock may be ahead of the manager's.
	if decoded.Previous != nil && !decoded.Previous.Retires.IsZero() {
		converted.until = decoded.Previous.Retires.Add(signature.DefaultWindow)
	}
	converted.previous, err = newVersion(decoded, decoded.Previous)
	return converted, err
}

func newVersion(decoded *material.Set, version *material.Version) (*signature.Key, error) {
	if version == nil {
		return nil, nil //nolint:nilnil // there is no such version
	}
	return signature.NewKey(signature.Material{
		Type: signature.Type(decoded.Type), Algorithm: signature.Algorithm(decoded.Algorithm),
		KeyID: version.ID, Key: signature.Bytes(version.Key), Secret: signature.Bytes(version.Secret),
	})
}

// accepted appends the keys that verify at the given time.
func (s *set) accepted(keys []*signature.Key, at time.Time) []*signature.Key {
	keys = append(keys, s.active)
	if s.next != nil {
		keys = append(keys, s.next)
	}
	if s.previous != nil && (s.until.IsZero() || at.Before(s.until)) {
		keys = append(keys, s.previous)
	}
	return keys
}
