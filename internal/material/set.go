// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Version is a key and a secret with an ID.
type Version struct {
	// ID is random, and not derived from the material.
	ID          string
	Key, Secret Bytes
	// Created is when the version was generated or supplied, Activated when it
	// began to sign, Retires when it stops verifying; zero if not known. Whole
	// seconds in UTC.
	Created, Activated, Retires time.Time
}

// Set is everything that a managed Secret holds.
type Set struct {
	Type        signetv1alpha1.KeyType
	Algorithm   signetv1alpha1.KeyAlgorithm
	DisplayName string
	// Active signs and verifies; Next and Previous only verify, and may be nil.
	Active         Version
	Next, Previous *Version
	// Trigger and RevokeTrigger are the values of the spec last acted upon.
	Trigger, RevokeTrigger string
	// Salt is what digests are salted with. Only the Secret holds it. Empty in a
	// Secret that was written without one.
	Salt Bytes
}

// Clone returns a copy that shares no version with the set.
func (s *Set) Clone() *Set {
	clone := *s
	clone.Next, clone.Previous = s.Next.clone(), s.Previous.clone()
	return &clone
}

func (v *Version) clone() *Version {
	if v == nil {
		return nil
	}
	clone := *v
	return &clone
}

// same reports whether both versions have the same components.
func (v *Version) same(other *Version) bool {
	return v.Key.Equal(other.Key) && v.Secret.Equal(other.Secret)
}

// RotationState identifies the state of a rotation: it changes with each step. It
// contains no material.
func (s *Set) RotationState() string {
	state := ""
	for i, v := range s.all() {
		state += fmt.Sprintln(s.Versions()[i].State, v.ID, v.Created, v.Activated, v.Retires)
	}
	return state
}

// Union returns what backends may learn before the set next is written: next,
// unless it drops a version that still signs or verifies. In that case it is the
// present set with the version that next adds.
func (s *Set) Union(next *Set) *Set {
	added := next.versionMissingIn(s)
	switch {
	case s.versionMissingIn(next) == nil:
		return next
	case added == nil:
		return s
	default:
		union := s.Clone()
		union.Next = added
		return union
	}
}

// versionMissingIn returns a version that the other set does not have; nil if there
// is none.
func (s *Set) versionMissingIn(other *Set) *Version {
	for _, v := range s.all() {
		if !slices.ContainsFunc(other.all(), func(o *Version) bool { return o.ID == v.ID }) {
			return v
		}
	}
	return nil
}

// all returns the versions that exist: active, next, previous.
func (s *Set) all() []*Version {
	versions := []*Version{&s.Active}
	if s.Next != nil {
		versions = append(versions, s.Next)
	}
	if s.Previous != nil {
		versions = append(versions, s.Previous)
	}
	return versions
}

// Versions returns the versions as a status shows them.
func (s *Set) Versions() []signetv1alpha1.KeyVersion {
	versions := []signetv1alpha1.KeyVersion{s.status(&s.Active, signetv1alpha1.VersionActive)}
	if s.Next != nil {
		versions = append(versions, s.status(s.Next, signetv1alpha1.VersionNext))
	}
	if s.Previous != nil {
		versions = append(versions, s.status(s.Previous, signetv1alpha1.VersionPrevious))
	}
	return versions
}

func (s *Set) status(v *Version, state signetv1alpha1.VersionState) signetv1alpha1.KeyVersion {
	return signetv1alpha1.KeyVersion{
		ID: v.ID, State: state, Digest: s.digest(v),
		Created: statusTime(v.Created), Activated: statusTime(v.Activated), Retires: statusTime(v.Retires),
	}
}

func statusTime(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC()}
}

// whole returns the time in whole seconds, rounded up, so that a delay counted from
// it is never too short.
func whole(now time.Time) time.Time {
	return now.Add(time.Second - time.Nanosecond).UTC().Truncate(time.Second)
}
