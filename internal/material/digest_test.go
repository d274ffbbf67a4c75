// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// A digest identifies the bytes of a version, and nothing but the Secret explains it.
func TestDigestsIdentifyBytes(t *testing.T) {
	set := threeVersions(t)
	recorded := set.Versions()
	for i, v := range recorded {
		if len(v.Digest) != 64 {
			t.Errorf("%s has the digest %q", v.State, v.Digest)
		}
		if slices.ContainsFunc(recorded[:i], func(o signetv1alpha1.KeyVersion) bool { return o.Digest == v.Digest }) {
			t.Errorf("%s has the digest of another version", v.State)
		}
	}
	active := func(change func(*material.Set)) *material.Set {
		changed := set.Clone()
		change(changed)
		return changed
	}
	cases := map[string]struct {
		set                  *material.Set
		recorded             []signetv1alpha1.KeyVersion
		matches, contradicts bool
	}{
		"the same bytes":               {set, recorded, true, false},
		"the same bytes, another name": {active(func(s *material.Set) { s.DisplayName = "other" }), recorded, true, false},
		"another secret":               {active(func(s *material.Set) { s.Active.Secret = s.Next.Secret }), recorded, false, true},
		"another identifier":           {active(func(s *material.Set) { s.Active.Key = s.Next.Key }), recorded, false, true},
		"another type":                 {active(func(s *material.Set) { s.Type = signetv1alpha1.KeyTypeBasic }), recorded, false, true},
		"another salt":                 {active(func(s *material.Set) { s.Salt = material.Bytes("other") }), recorded, false, true},
		"no salt":                      {active(func(s *material.Set) { s.Salt = nil }), recorded, false, true},
		"another next version":         {active(func(s *material.Set) { s.Next.Secret = s.Active.Secret }), recorded, true, true},
		"a version with a new ID": {active(func(s *material.Set) { s.Active.ID, s.Active.Secret = "new", s.Next.Secret }),
			recorded, false, false},
		"a record without digests":         {set, active(func(s *material.Set) { s.Salt = nil }).Versions(), false, false},
		"a set and a record without salts": {active(func(s *material.Set) { s.Salt = nil }), active(func(s *material.Set) { s.Salt = nil }).Versions(), false, false},
		"no record":                        {set, nil, false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.set.ActiveMatches(c.recorded); got != c.matches {
				t.Errorf("ActiveMatches = %t", got)
			}
			if got := c.set.Contradicts(c.recorded); got != c.contradicts {
				t.Errorf("Contradicts = %t", got)
			}
		})
	}
}

func TestSaltsAreNotShared(t *testing.T) {
	key := keys()["HMAC"]
	supplied := material.Supplied{Key: material.Bytes("orders_app"), Secret: material.Bytes("secret-0123456789")}
	one, other := first(t, key, supplied), first(t, key, supplied)
	if one.Versions()[0].Digest == other.Versions()[0].Digest {
		t.Error("two Secrets with the same bytes have the same digest")
	}
	outcome, err := one.Advance(material.RotationSpec{Supplied: &material.Supplied{}, RevokeTrigger: "leak"}, material.Moment{Now: now}, rand.Reader)
	if err != nil || outcome.Set.Salt.Equal(one.Salt) {
		t.Errorf("a leaked salt is used again: %v", err)
	}
}

func TestSetWithoutASaltGetsOne(t *testing.T) {
	set := threeVersions(t)
	if salted, err := set.WithSalt(nil); err != nil || salted != set {
		t.Errorf("a set with a salt is changed: %v", err)
	}
	set.Salt = nil
	read, err := material.Decode(set.Encode())
	if err != nil {
		t.Fatalf("data without a salt: %v", err)
	}
	salted, err := read.WithSalt(rand.Reader)
	if err != nil || len(salted.Salt) != 32 || len(read.Salt) != 0 {
		t.Errorf("salt %d, %v", len(salted.Salt), err)
	}
	if read, err = material.Decode(salted.Encode()); err != nil || !cmp.Equal(read, salted) {
		t.Errorf("data with a salt: %v", err)
	}
	failure := errors.New("no randomness")
	set.Salt = nil
	if _, err := set.WithSalt(failing{failure}); !errors.Is(err, failure) {
		t.Errorf("WithSalt = %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
