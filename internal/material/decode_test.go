// SPDX-License-Identifier: Apache-2.0

package material_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-dev/signet/internal/material"
)

// threeVersions is a set with all that a Secret can hold.
func threeVersions(t testing.TB) *material.Set {
	t.Helper()
	key := keys()["HMAC"]
	set := first(t, key, material.Supplied{})
	set.Next, set.Previous = &first(t, key, material.Supplied{}).Active, &first(t, key, material.Supplied{}).Active
	set.Previous.Retires = set.Active.Activated.Add(time.Hour)
	set.Trigger, set.RevokeTrigger = "2026-11", "leak"
	return set
}

func TestDecodeOfWhatOthersHaveDone(t *testing.T) {
	all := threeVersions(t)
	without := func(change func(*material.Set)) *material.Set {
		set := all.Clone()
		change(set)
		return set
	}
	cases := map[string]struct {
		change func(data map[string][]byte)
		want   *material.Set
		err    error
	}{
		"nothing":                  {func(map[string][]byte) {}, all, nil},
		"a key of their own":       {func(d map[string][]byte) { d["tls.crt"] = []byte("x") }, all, nil},
		"a key like a version's":   {func(d map[string][]byte) { d["next.note"] = []byte("x") }, all, nil},
		"what is derived":          {func(d map[string][]byte) { d["password"] = []byte("x") }, all, nil},
		"no checksum":              {func(d map[string][]byte) { delete(d, "checksum") }, all, material.ErrModified},
		"other bytes that do":      {func(d map[string][]byte) { d["next.secret"] = d["secret"] }, without(func(s *material.Set) { s.Next.Secret = s.Active.Secret }), material.ErrModified},
		"no secret":                {func(d map[string][]byte) { delete(d, "secret") }, nil, material.ErrBroken},
		"a key that breaks a rule": {func(d map[string][]byte) { d["key"] = []byte("short") }, nil, material.ErrBroken},
		"a next without a secret":  {func(d map[string][]byte) { delete(d, "next.secret") }, without(func(s *material.Set) { s.Next = nil }), material.ErrModified},
		"a previous that breaks a rule": {func(d map[string][]byte) { d["previous.key"] = []byte("short") },
			without(func(s *material.Set) { s.Previous = nil }), material.ErrModified},
		"the times of a next alone": {func(d map[string][]byte) {
			for _, name := range []string{"next.key", "next.secret", "next.key-id"} {
				delete(d, name)
			}
		}, without(func(s *material.Set) { s.Next = nil }), material.ErrModified},
		"no id":          {func(d map[string][]byte) { delete(d, "key-id") }, without(func(s *material.Set) { s.Active.ID = "" }), material.ErrModified},
		"an id too long": {func(d map[string][]byte) { d["key-id"] = []byte(strings.Repeat("x", 65)) }, without(func(s *material.Set) { s.Active.ID = "" }), material.ErrModified},
		"an id twice":    {func(d map[string][]byte) { d["next.key-id"] = d["key-id"] }, without(func(s *material.Set) { s.Next.ID = s.Active.ID }), material.ErrModified},
		"a trigger too long": {func(d map[string][]byte) { d["trigger"] = []byte(strings.Repeat("é", 254)) },
			without(func(s *material.Set) { s.Trigger = "" }), material.ErrModified},
		"a trigger that is no text": {func(d map[string][]byte) { d["revoke-trigger"] = []byte("\xff") },
			without(func(s *material.Set) { s.RevokeTrigger = "" }), material.ErrModified},
		"no time": {func(d map[string][]byte) { d["created"] = []byte("soon") },
			without(func(s *material.Set) { s.Active.Created = time.Time{} }), material.ErrModified},
		"a time after the year 9999": {func(d map[string][]byte) { d["activated"] = []byte("9999-12-31T23:59:59-23:59") },
			without(func(s *material.Set) { s.Active.Activated = time.Time{} }), material.ErrModified},
		"a time before the year 1": {func(d map[string][]byte) { d["previous.retires"] = []byte("0000-01-01T00:00:00+23:59") },
			without(func(s *material.Set) { s.Previous.Retires = time.Time{} }), material.ErrModified},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			data := all.Encode()
			c.change(data)
			got, err := material.Decode(data)
			if !errors.Is(err, c.err) {
				t.Errorf("Decode = %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Even if another client recomputes the checksum, nothing is written that a status
// could not take.
func TestDecodeOfWhatIsSoundByItsChecksumAlone(t *testing.T) {
	set := threeVersions(t)
	set.Trigger, set.Next.ID, set.Active.ID = strings.Repeat("x", 254), set.Previous.ID, strings.Repeat("x", 65)
	read, err := material.Decode(set.Encode())
	if !errors.Is(err, material.ErrModified) {
		t.Fatalf("Decode = %v", err)
	}
	renamed, err := read.WithNewIDs(now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	expectStorable(t, renamed)
}

func TestWithNewIDsRestartsStage(t *testing.T) {
	set := threeVersions(t)
	later := now.Add(time.Hour)
	renamed, err := set.WithNewIDs(later, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if renamed.Next.Created.Before(later) {
		t.Errorf("the stage has begun at %s", renamed.Next.Created)
	}
	for i, was := range set.Versions() {
		if is := renamed.Versions()[i]; is.ID == was.ID || is.State != was.State {
			t.Errorf("%s %s has become %s %s", was.State, was.ID, is.State, is.ID)
		}
	}
}

// expectStorable fails unless the set survives its Secret and a status accepts it.
func expectStorable(t *testing.T, set *material.Set) {
	t.Helper()
	read, err := material.Decode(set.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set, read); diff != "" {
		t.Fatalf("what was read is not what was written:\n%s", diff)
	}
	if !utf8.ValidString(set.Trigger) || utf8.RuneCountInString(set.Trigger) > 253 {
		t.Errorf("trigger %q", set.Trigger)
	}
	ids := map[string]bool{}
	for _, v := range set.Versions() {
		if v.ID == "" || utf8.RuneCountInString(v.ID) > 64 || ids[v.ID] {
			t.Errorf("id %q", v.ID)
		}
		ids[v.ID] = true
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		again := v
		if err := json.Unmarshal(text, &again); err != nil {
			t.Errorf("%s cannot be read back: %v", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	set := threeVersions(f)
	f.Add("HMAC", "", "abcdefgh", "abcdefghijklmnop", "id", "2026-01-02T03:04:05Z", "next.", "trigger")
	f.Add("HMAC", "", "abcdefgh", "abcdefghijklmnop", set.Active.ID, "9999-12-31T23:59:59-23:59", "previous.", "\xff")
	f.Fuzz(func(t *testing.T, keyType, algorithm, key, secret, id, at, prefix, trigger string) {
		alone := map[string][]byte{
			"type": []byte(keyType), "algorithm": []byte(algorithm), "key": []byte(key), "secret": []byte(secret),
			"key-id": []byte(id), "created": []byte(at), "trigger": []byte(trigger),
		}
		withPrefix := set.Encode()
		maps.Copy(withPrefix, map[string][]byte{
			prefix + "key": []byte(key), prefix + "secret": []byte(secret), prefix + "key-id": []byte(id),
			prefix + "created": []byte(at), prefix + "retires": []byte(at), "trigger": []byte(trigger),
		})
		for data := range slices.Values([]map[string][]byte{alone, withPrefix}) {
			got, err := material.Decode(data)
			if (got == nil) != errors.Is(err, material.ErrBroken) {
				t.Errorf("Decode = %v, %v", got, err)
			}
			if errors.Is(err, material.ErrModified) {
				if got, err = got.WithNewIDs(now, rand.Reader); err != nil {
					t.Fatal(err)
				}
				got.DisplayName = "orders"
			}
			if got != nil {
				expectStorable(t, got)
			}
		}
	})
}
