// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"io"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

// Supplied are the halves that the user gives: nil is not given.
type Supplied struct {
	Key, Secret Bytes
}

// SuppliedTo reads what is supplied to a key: by its source Secret's data, nil
// without one, and by spec.identifier. The data must have passed validation.ValidateSource.
func SuppliedTo(key *signetv1alpha1.SignatureKey, source map[string][]byte) Supplied {
	var supplied Supplied
	if key.Spec.Identifier != "" {
		supplied.Key = Bytes(key.Spec.Identifier)
	}
	if half, there := source[validation.DataKey]; there {
		supplied.Key = Bytes(half)
	}
	if half, there := source[validation.DataSecret]; there {
		supplied.Secret = Bytes(half)
	}
	return supplied
}

// Complete says that nothing is left to generate.
func (s Supplied) Complete() bool { return s.Key != nil && s.Secret != nil }

// over is the version with the halves that are supplied in place of its own.
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

// First makes the first material of a key: what is not supplied is generated.
// The triggers of the spec are noted as acted upon.
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
	return set.WithSpecOf(key), nil
}

// WithSpecOf is the set with the key's display name, and its triggers noted as
// acted upon.
func (s *Set) WithSpecOf(key *signetv1alpha1.SignatureKey) *Set {
	next := s.Clone()
	next.DisplayName = key.EffectiveDisplayName()
	next.Trigger, next.RevokeTrigger = key.Trigger(), key.RevokeTrigger()
	return next
}

// WithDisplayName is the set with another display name. That makes no new version.
func (s *Set) WithDisplayName(displayName string) *Set {
	next := s.Clone()
	next.DisplayName = displayName
	return next
}

// WithTriggers is the set with these triggers as the ones last acted upon.
func (s *Set) WithTriggers(trigger, revokeTrigger string) *Set {
	next := s.Clone()
	next.Trigger, next.RevokeTrigger = trigger, revokeTrigger
	return next
}

// AdoptedBy is the set as a key takes it over that has not seen it before, or not
// for a while: what the key's triggers say by then asks for nothing, and what is
// staged begins its stage anew, since nobody knows which backends have it.
func (s *Set) AdoptedBy(key *signetv1alpha1.SignatureKey, now time.Time) *Set {
	next := s.WithSpecOf(key)
	if next.Next != nil {
		next.Next.Created = whole(now)
	}
	return next
}

// WithNewIDs is the set with a new id for each version: their bytes may not be
// those that the ids stood for. What is staged begins its stage anew, as nobody
// knows since when it is there.
func (s *Set) WithNewIDs(now time.Time, random io.Reader) (*Set, error) {
	next := s.Clone()
	for _, v := range next.versions() {
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

// newVersion makes a version of halves that keep the rules.
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

// activate puts a new version in the place of the active one.
func (s *Set) activate(key, secret Bytes, now time.Time, random io.Reader) error {
	version, err := s.newVersion(key, secret, now, random)
	if err != nil {
		return err
	}
	s.Active = *version
	s.Active.Activated = s.Active.Created
	return nil
}
