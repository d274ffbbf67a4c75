// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"io"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

// Supplied are the components that the user supplies; nil is not supplied.
type Supplied struct {
	Key, Secret Bytes
}

// SuppliedTo returns what the data of its source Secret (nil without one) and
// spec.identifier supply to a key. The data must have passed
// validation.ValidateSource.
func SuppliedTo(key *signetv1alpha1.SignatureKey, source map[string][]byte) Supplied {
	var supplied Supplied
	if key.Spec.Identifier != "" {
		supplied.Key = Bytes(key.Spec.Identifier)
	}
	if component, found := source[validation.DataKey]; found {
		supplied.Key = Bytes(component)
	}
	if component, found := source[validation.DataSecret]; found {
		supplied.Secret = Bytes(component)
	}
	return supplied
}

// Complete reports whether nothing is left to generate.
func (s Supplied) Complete() bool { return s.Key != nil && s.Secret != nil }

// over returns the version's components, replaced by those that are supplied.
func (s Supplied) over(v *Version) *Version {
	over := &Version{Key: v.Key, Secret: v.Secret}
	if s.Key != nil {
		over.Key = s.Key
	}
	if s.Secret != nil {
		over.Secret = s.Secret
	}
	return over
}

// First returns the first material of a key: what is not supplied is generated. The
// triggers of the spec count as acted upon.
func First(key *signetv1alpha1.SignatureKey, supplied Supplied, now time.Time, random io.Reader) (*Set, error) {
	set := &Set{Type: key.Spec.Type, Algorithm: key.Spec.Algorithm}
	generatedKey, generatedSecret, err := generate(set.Type, set.Algorithm, random)
	if err != nil {
		return nil, err
	}
	if supplied.Key == nil {
		supplied.Key = generatedKey
	}
	if supplied.Secret == nil {
		supplied.Secret = generatedSecret
	}
	if err := set.activate(supplied.Key, supplied.Secret, now, random); err != nil {
		return nil, err
	}
	if set.Salt, err = newSalt(random); err != nil {
		return nil, err
	}
	return set.WithSpecOf(key), nil
}

// WithSpecOf returns the set with the key's display name, and with its triggers as
// those last acted upon.
func (s *Set) WithSpecOf(key *signetv1alpha1.SignatureKey) *Set {
	next := s.Clone()
	next.DisplayName = key.EffectiveDisplayName()
	next.Trigger, next.RevokeTrigger = key.Trigger(), key.RevokeTrigger()
	return next
}

// WithDisplayName returns the set with another display name. The versions stay the
// same.
func (s *Set) WithDisplayName(displayName string) *Set {
	next := s.Clone()
	next.DisplayName = displayName
	return next
}

// WithTriggers returns the set with these triggers as those last acted upon.
func (s *Set) WithTriggers(trigger, revokeTrigger string) *Set {
	next := s.Clone()
	next.Trigger, next.RevokeTrigger = trigger, revokeTrigger
	return next
}

// AdoptedBy returns the set for a key that has not seen it before, or not for a
// while: the key's present triggers ask for nothing, and a staged version begins
// its stage again, because it is unknown which backends have it.
func (s *Set) AdoptedBy(key *signetv1alpha1.SignatureKey, now time.Time) *Set {
	next := s.WithSpecOf(key)
	if next.Next != nil {
		next.Next.Created = whole(now)
	}
	return next
}

// WithNewIDs returns the set with a new ID for each version: their bytes may not be
// those that the IDs stood for. A staged version begins its stage again, because it
// is unknown since when it has been there.
func (s *Set) WithNewIDs(now time.Time, random io.Reader) (*Set, error) {
	next := s.Clone()
	for _, v := range next.all() {
		id, err := newID(random)
		if err != nil {
			return nil, err
		}
		v.ID = id
	}
	next.Active.Created, next.Active.Activated = whole(now), whole(now)
	if next.Next != nil {
		next.Next.Created = whole(now)
	}
	return next, nil
}

// newVersion returns a version of the components, which must follow the rules.
func (s *Set) newVersion(key, secret Bytes, now time.Time, random io.Reader) (*Version, error) {
	id, err := newID(random)
	if err != nil {
		return nil, err
	}
	if errs := validation.ValidateMaterial(s.Type, s.Algorithm, key, secret); len(errs) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrBroken, errs.ToAggregate())
	}
	return &Version{ID: id, Key: key, Secret: secret, Created: whole(now)}, nil
}

// activate replaces the active version.
func (s *Set) activate(key, secret Bytes, now time.Time, random io.Reader) error {
	version, err := s.newVersion(key, secret, now, random)
	if err != nil {
		return err
	}
	s.Active = *version
	s.Active.Activated = s.Active.Created
	return nil
}
