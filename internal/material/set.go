// SPDX-License-Identifier: Apache-2.0

package material

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Version is a key and secret with an id.
type Version struct {
	// ID is random: it says nothing about the material.
	ID          string
	Key, Secret Bytes
	// Created is when the version was made, Activated when it began to sign,
	// Retires when it ceases to verify; zero if not known. Whole seconds, UTC.
	Created, Activated, Retires time.Time
}

// Set is all that a managed Secret holds.
type Set struct {
	Type        signetv1alpha1.KeyType
	Algorithm   signetv1alpha1.KeyAlgorithm
	DisplayName string
	// Active signs and verifies; Next and Previous, if there, only verify.
	Active         Version
	Next, Previous *Version
	// Trigger and RevokeTrigger are the spec's values last acted upon.
	Trigger, RevokeTrigger string
}

// Clone is a copy that shares no version with the set.
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

// same says that both versions have the same halves.
func (v *Version) same(other *Version) bool {
	return v.Key.Equal(other.Key) && v.Secret.Equal(other.Secret)
}

// RotationState names where a rotation stands: it changes with each step. It holds no
// material.
func (s *Set) RotationState() string {
	standing := ""
	for i, v := range s.versions() {
		standing += fmt.Sprintln(s.Versions()[i].State, v.ID, v.Created, v.Activated, v.Retires)
	}
	return standing
}

// Union is what backends may learn of before the set next is in force: next,
// unless it drops a version that still signs or verifies. Then it is the set as
// it is, with what next adds.
func (s *Set) Union(next *Set) *Set {
	added := next.versionBeside(s)
	switch {
	case s.versionBeside(next) == nil:
		return next
	case added == nil:
		return s
	default:
		between := s.Clone()
		between.Next = added
		return between
	}
}

// versionBeside is a version that the other set does not have; nil if there is
// none.
func (s *Set) versionBeside(other *Set) *Version {
	for _, v := range s.versions() {
		if !slices.ContainsFunc(other.versions(), func(o *Version) bool { return o.ID == v.ID }) {
			return v
		}
	}
	return nil
}

// versions are the set's versions: active, next, previous.
func (s *Set) versions() []*Version {
	all := []*Version{&s.Active}
	if s.Next != nil {
		all = append(all, s.Next)
	}
	if s.Previous != nil {
		all = append(all, s.Previous)
	}
	return all
}

// Versions are the set's versions as a status shows them.
func (s *Set) Versions() []signetv1alpha1.KeyVersion {
	versions := []signetv1alpha1.KeyVersion{s.Active.status(signetv1alpha1.VersionActive)}
	if s.Next != nil {
		versions = append(versions, s.Next.status(signetv1alpha1.VersionNext))
	}
	if s.Previous != nil {
		versions = append(versions, s.Previous.status(signetv1alpha1.VersionPrevious))
	}
	return versions
}

func (v *Version) status(state signetv1alpha1.VersionState) signetv1alpha1.KeyVersion {
	return signetv1alpha1.KeyVersion{
		ID: v.ID, State: state,
		Created: statusTime(v.Created), Activated: statusTime(v.Activated), Retires: statusTime(v.Retires),
	}
}

func statusTime(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC()}
}

// whole is the time in whole seconds, rounded up: a delay that is counted from
// it is never shorter than it says.
func whole(now time.Time) time.Time {
	return now.Add(time.Second - time.Nanosecond).UTC().Truncate(time.Second)
}
