// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// Grace is how long a managed Secret that has vanished is treated as unchanged:
// who replaces one, or restores it, deletes it first.
const Grace = 10 * time.Second

// key is what a SignatureKey says about where its material is.
type key struct {
	secret    string
	keyType   signetv1alpha1.KeyType
	algorithm signetv1alpha1.KeyAlgorithm
}

func newKey(object *signetv1alpha1.SignatureKey) *key {
	return &key{secret: object.EffectiveTargetName(), keyType: object.Spec.Type, algorithm: object.Spec.Algorithm}
}

// secret is what is under the name of a managed Secret.
type secret struct {
	// owner is the SignatureKey that the Secret was made for.
	owner string
	// set is the material; nil if there is none that can be used.
	set *set
	// trouble is why the Secret cannot be used any more, and since when.
	trouble Reason
	since   time.Time
}

// set is the material of a managed Secret, ready to sign.
type set struct {
	keyType   signetv1alpha1.KeyType
	algorithm signetv1alpha1.KeyAlgorithm
	active    *signature.Key
	// next and previous are nil if there are none; until is zero if previous is
	// accepted for as long as it is there.
	next, previous *signature.Key
	until          time.Time
}

// newSecret reads a Secret. In the place of one that is not a key's what was
// there stays, for a while: somebody has taken off a label, and the manager puts
// it back.
func newSecret(object *corev1.Secret, before *secret, now time.Time) *secret {
	owner := ownerOf(object)
	if owner == "" {
		return before.troubled(ReasonSecretForeign, now)
	}
	decoded, err := material.Decode(object.Data)
	// Of bytes that were changed by somebody else the manager makes a new
	// version: backends read them already.
	if err != nil && !errors.Is(err, material.ErrModified) {
		return &secret{owner: owner, trouble: ReasonSecretBroken}
	}
	usable, err := newSet(decoded)
	if err != nil {
		return &secret{owner: owner, trouble: ReasonSecretBroken}
	}
	return &secret{owner: owner, set: usable}
}

// troubled is the Secret when it cannot be used any more.
func (s *secret) troubled(reason Reason, now time.Time) *secret {
	if s == nil {
		return &secret{trouble: reason, since: now}
	}
	next := *s
	next.trouble = reason
	if next.since.IsZero() {
		next.since = now
	}
	return &next
}

// withoutMaterial is the Secret when its time is over.
func (s *secret) withoutMaterial() *secret {
	next := *s
	next.set = nil
	return &next
}

// usable is the material if it may be used at that time.
func (s *secret) usable(now time.Time) *set {
	if s.trouble != "" && !now.Before(s.since.Add(Grace)) {
		return nil
	}
	return s.set
}

// ownerOf is the SignatureKey that a managed Secret was made for; empty if it is
// no managed Secret, or if something else controls it.
func ownerOf(object *corev1.Secret) string {
	if object.Type != signetv1alpha1.SecretType || object.Labels[signetv1alpha1.LabelMaterial] != signetv1alpha1.MaterialManaged {
		return ""
	}
	name := object.Labels[signetv1alpha1.LabelKey]
	if controller := metav1.GetControllerOfNoCopy(object); controller != nil {
		group, err := schema.ParseGroupVersion(controller.APIVersion)
		if err != nil || group.Group != signetv1alpha1.GroupVersion.Group || controller.Kind != "SignatureKey" || controller.Name != name {
			return ""
		}
	}
	return name
}

func newSet(decoded *material.Set) (*set, error) {
	made := &set{keyType: decoded.Type, algorithm: decoded.Algorithm}
	var err error
	if made.active, err = newVersion(decoded, &decoded.Active); err != nil {
		return nil, err
	}
	if made.next, err = newVersion(decoded, decoded.Next); err != nil {
		return nil, err
	}
	// The manager takes previous out when it retires. Should it not, it ends all
	// the same; but this clock may be ahead of the manager's.
	if decoded.Previous != nil && !decoded.Previous.Retires.IsZero() {
		made.until = decoded.Previous.Retires.Add(signature.DefaultWindow)
	}
	made.previous, err = newVersion(decoded, decoded.Previous)
	return made, err
}

func newVersion(decoded *material.Set, version *material.Version) (*signature.Key, error) {
	if version == nil {
		return nil, nil
	}
	return signature.NewKey(signature.Material{
		Type: signature.Type(decoded.Type), Algorithm: signature.Algorithm(decoded.Algorithm),
		KeyID: version.ID, Key: signature.Bytes(version.Key), Secret: signature.Bytes(version.Secret),
	})
}

// accepted appends the keys that verify at that time.
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
