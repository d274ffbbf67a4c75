// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
}

func newKey(object *signetv1alpha1.SignatureKey) *key {
	return &key{secret: object.EffectiveTargetName(), keyType: object.Spec.Type, algorithm: object.Spec.Algorithm}
}

// secret is the state of a managed Secret.
type secret struct {
	// owner is the name of the SignatureKey that manages the Secret.
	owner string
	// set is the material. It is nil if there is no valid one.
	set *set
	// problem is why the Secret is no longer valid, and since is when that was
	// found. It is zero if the Secret is unusable immediately.
	problem Reason
	since   time.Time
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

// newSecret converts a Secret. If it is not managed by a key, the previous state
// stays usable for Grace: the manager restores a label that another client has
// removed.
func newSecret(object *corev1.Secret, before *secret, now time.Time) *secret {
	owner := ownerOf(object)
	if owner == "" {
		return before.withProblem(ReasonSecretNotOwned, now)
	}
	decoded, err := material.Decode(object.Data)
	// If another client has changed the material, the manager adopts it as a new
	// version: backends already read it.
	if err != nil && !errors.Is(err, material.ErrModified) {
		return &secret{owner: owner, problem: ReasonSecretBroken}
	}
	usable, err := newSet(decoded)
	if err != nil {
		return &secret{owner: owner, problem: ReasonSecretBroken}
	}
	return &secret{owner: owner, set: usable}
}

// withProblem returns the Secret after it has become invalid.
func (s *secret) withProblem(reason Reason, now time.Time) *secret {
	if s == nil {
		return &secret{problem: reason, since: now}
	}
	next := *s
	next.problem = reason
	if next.since.IsZero() {
		next.since = now
	}
	return &next
}

// withoutMaterial returns the Secret without its material.
func (s *secret) withoutMaterial() *secret {
	next := *s
	next.set = nil
	return &next
}

// usable returns the material, or nil if it must not be used at the given time.
func (s *secret) usable(now time.Time) *set {
	if s.problem != "" && !now.Before(s.since.Add(Grace)) {
		return nil
	}
	return s.set
}

// ownerOf returns the name of the SignatureKey that manages the Secret. It returns an
// empty string if no key does, or if another object controls the Secret.
func ownerOf(object *corev1.Secret) string {
	if object.Type != signetv1alpha1.SecretType || object.Labels[signetv1alpha1.LabelMaterial] != signetv1alpha1.MaterialManaged {
		return ""
	}
	name := object.Labels[signetv1alpha1.LabelKey]
	owner := &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if material.OtherController(object, owner) != nil {
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
