// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// volume is a directory as the kubelet mounts a Secret.
type volume struct {
	t       *testing.T
	path    string
	updates int
}

func newVolume(t *testing.T) *volume { return &volume{t: t, path: t.TempDir()} }

func (v *volume) check(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// write replaces all files at once: it creates a new directory and a link to it
// under another name, and renames that to the data link.
func (v *volume) write(data map[string]string) {
	v.t.Helper()
	v.updates++
	fresh := fmt.Sprintf("..2026_01_02_%d", v.updates)
	v.check(os.Mkdir(filepath.Join(v.path, fresh), 0o700))
	for name, content := range data {
		v.check(os.WriteFile(filepath.Join(v.path, fresh, name), []byte(content), 0o600))
		_ = os.Symlink(filepath.Join("..data", name), filepath.Join(v.path, name))
	}
	old, _ := os.Readlink(filepath.Join(v.path, "..data"))
	v.check(os.Symlink(fresh, filepath.Join(v.path, "..data_tmp")))
	v.check(os.Rename(filepath.Join(v.path, "..data_tmp"), filepath.Join(v.path, "..data")))
	if old != "" {
		v.check(os.RemoveAll(filepath.Join(v.path, old)))
	}
}

// secret returns the data of a managed Secret: the active version, and those named
// "next" or "previous".
func secret(active string, staged ...string) map[string]string {
	data := map[string]string{"type": "HMAC", "display-name": "orders", "checksum": "not read", "created": "2026-01-02T03:04:05Z"}
	data["key"], data["secret"], data["key-id"] = "orders_app", "secret_of_"+active, active
	for i := 0; i+1 < len(staged); i += 2 {
		prefix := staged[i] + "."
		data[prefix+"key"], data[prefix+"secret"], data[prefix+"key-id"] = "orders_app", "secret_of_"+staged[i+1], staged[i+1]
	}
	return data
}

func with(data map[string]string, name, content string) map[string]string {
	changed := maps.Clone(data)
	changed[name] = content
	if content == "" {
		delete(changed, name)
	}
	return changed
}

func ids(s *KeySet, at time.Time) []string {
	found := []string{}
	for _, key := range s.Accepted(at) {
		found = append(found, key.ID())
	}
	return found
}

func wantIDs(t *testing.T, s *KeySet, want ...string) {
	t.Helper()
	if got := ids(s, signedAt); !slices.Equal(got, want) {
		t.Errorf("accepted: %v, want %v", got, want)
	}
}

func mustKeySet(t *testing.T, options KeySetOptions, volumes ...*volume) *KeySet {
	t.Helper()
	var paths []string
	for _, v := range volumes {
		paths = append(paths, v.path)
	}
	set, err := NewKeySet(paths, options)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestNoRequestFailsDuringRotation signs with the active version of every step, and
// verifies at backends that are one step behind or ahead.
func TestNoRequestFailsDuringRotation(t *testing.T) {
	steps := []map[string]string{
		secret("v1"),
		secret("v1", "next", "v2"),
		with(secret("v2", "previous", "v1"), "previous.retires", signedAt.Add(time.Minute).Format(time.RFC3339)),
		secret("v2"),
	}
	volumes := make([]*volume, len(steps))
	for i, data := range steps {
		volumes[i] = newVolume(t)
		volumes[i].write(data)
	}
	// A backend may be one step behind a signer or ahead of it, but not so far that
	// it does not have next yet, or no longer has previous.
	for signer := range steps {
		key, err := mustKeySet(t, KeySetOptions{}, volumes[signer]).SigningKey()
		if err != nil {
			t.Fatal(err)
		}
		for backend := max(0, signer-1); backend <= min(len(steps)-1, signer+1); backend++ {
			set := mustKeySet(t, KeySetOptions{}, volumes[backend])
			if _, err := mustVerifier(t, set, VerifierOptions{}).Verify(signedRequest(t, key)); err != nil {
				t.Errorf("signed at step %d, verified at step %d: %v", signer, backend, err)
			}
		}
	}
}

func TestKeySetFollowsAVolume(t *testing.T) {
	v := newVolume(t)
	v.write(secret("v1", "next", "v2"))
	set := mustKeySet(t, KeySetOptions{}, v)
	wantIDs(t, set, "v1", "v2")
	active := set.Accepted(signedAt)[0]
	v.write(secret("v1", "next", "v2"))
	if err := set.Reload(); err != nil || set.Accepted(signedAt)[0] != active {
		t.Errorf("Reload without a change: %v, or parsed again", err)
	}
	v.write(secret("v2", "previous", "v1"))
	wantIDs(t, set, "v1", "v2")
	if err := set.Reload(); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, set, "v2", "v1")
	v.write(secret("v2"))
	if err := set.Reload(); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, set, "v2")
}

func TestPreviousRetires(t *testing.T) {
	v := newVolume(t)
	// The clock is as far ahead as dates may be behind it.
	v.write(with(secret("v2", "previous", "v1"), "previous.retires", signedAt.Add(-DefaultWindow).Format(time.RFC3339)))
	set := mustKeySet(t, KeySetOptions{}, v)
	wantIDs(t, set, "v2", "v1")
	if got := ids(set, signedAt.Add(1)); !slices.Equal(got, []string{"v2"}) {
		t.Errorf("after it retired: %v", got)
	}
	r := signedRequest(t, set.Accepted(signedAt)[1])
	if _, err := mustVerifier(t, set, VerifierOptions{}).Verify(r); err != nil {
		t.Error(err)
	}
	later := mustVerifier(t, set, VerifierOptions{Now: func() time.Time { return signedAt.Add(time.Second) }})
	checkRefused(t, later, r, ErrMismatch)
}

func TestInvalidDirectoriesKeepTheirKeys(t *testing.T) {
	good := secret("v1", "next", "v2")
	for name, c := range map[string]struct {
		change  func(*volume)
		message string
	}{
		"no type":             {func(v *volume) { v.write(with(good, "type", "")) }, "type"},
		"another type":        {func(v *volume) { v.write(with(good, "type", "planted")) }, "type"},
		"no secret":           {func(v *volume) { v.write(with(good, "secret", "")) }, "secret"},
		"half of next":        {func(v *volume) { v.write(with(good, "next.secret", "")) }, "next."},
		"only next's id":      {func(v *volume) { v.write(with(with(good, "next.secret", ""), "next.key", "")) }, "next."},
		"a line break":        {func(v *volume) { v.write(with(good, "secret", "planted\n")) }, "secret"},
		"a time that is none": {func(v *volume) { v.write(with(good, "previous.retires", "planted")) }, "previous.retires"},
		"a file too large":    {func(v *volume) { v.write(with(good, "secret", strings.Repeat("planted", 3000))) }, "secret"},
		"nothing in it":       {func(v *volume) { v.write(nil) }, "type"},
		"no data":             {func(v *volume) { v.check(os.Remove(filepath.Join(v.path, "..data"))) }, "type"},
		"a link to nothing": {func(v *volume) {
			v.check(os.RemoveAll(filepath.Join(v.path, "..2026_01_02_1")))
		}, "no such file"},
		"gone": {func(v *volume) { v.check(os.RemoveAll(v.path)) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			broken, other := newVolume(t), newVolume(t)
			broken.write(good)
			other.write(secret("other"))
			var reported []error
			set := mustKeySet(t, KeySetOptions{OnError: func(path string, err error) {
				if path != broken.path {
					t.Errorf("error for %s", path)
				}
				reported = append(reported, err)
			}}, broken, other)
			c.change(broken)
			other.write(secret("changed"))
			for range 2 {
				err := set.Reload()
				if err == nil || !strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), broken.path) || strings.Contains(err.Error(), "planted") {
					t.Errorf("Reload: %v, want %s", err, c.message)
				}
			}
			wantIDs(t, set, "v1", "v2", "changed")
			if len(reported) != 1 {
				t.Errorf("%d errors reported: %v", len(reported), reported)
			}
		})
	}
}

func TestKeySetRequiresOneValidDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if set, err := NewKeySet([]string{missing}, KeySetOptions{}); err == nil || set != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("all missing: %v, %v", set, err)
	}
	if _, err := NewKeySet(nil, KeySetOptions{}); err == nil {
		t.Error("no directories: no error")
	}
	v, late := newVolume(t), newVolume(t)
	v.write(secret("v1"))
	var reported []string
	set := mustKeySet(t, KeySetOptions{OnError: func(path string, _ error) { reported = append(reported, path) }}, late, v)
	wantIDs(t, set, "v1")
	if !slices.Equal(reported, []string{late.path}) {
		t.Errorf("errors reported: %v", reported)
	}
	late.write(secret("late"))
	if err := set.Reload(); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, set, "late", "v1")
	if key, err := set.SigningKey(); err != nil || key.ID() != "late" {
		t.Errorf("SigningKey = %v", err)
	}
}

func TestKeySetOfPublicKeys(t *testing.T) {
	v := newVolume(t)
	first, second := pairs()["ECDSA"], pairs()["RSA"]
	v.write(map[string]string{
		"type": "PublicKey", "key": string(first.Key), "key-id": "first",
		"previous.key": string(second.Key), "previous.key-id": "second", "previous.retires": signedAt.Format(time.RFC3339),
	})
	set := mustKeySet(t, KeySetOptions{}, v)
	for id, material := range map[string]Material{"first": first, "second": second} {
		material.KeyID = id
		if _, err := mustVerifier(t, set, VerifierOptions{}).Verify(signedRequest(t, mustKey(t, material))); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := set.SigningKey(); !errors.Is(err, ErrCannotSign) {
		t.Errorf("SigningKey: %v", err)
	}
}

func TestPlainDirectory(t *testing.T) {
	path := t.TempDir()
	for name, content := range map[string]string{
		"type": "AES", "algorithm": "aes-128-cfb", "key": "0123456789abcdef", "secret": "fedcba9876543210", "key-id": "v1",
	} {
		if err := os.WriteFile(filepath.Join(path, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := NewKeySet([]string{path}, KeySetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, set, "v1")
}

// TestUpdatesAreNeverMixed replaces the directory as fast as it can while it is
// read. In every version, key, secret and ID belong together.
func TestUpdatesAreNeverMixed(t *testing.T) {
	v := newVolume(t)
	v.write(secret("v0", "next", "v0"))
	set := mustKeySet(t, KeySetOptions{}, v)
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer close(done)
		for i := range 300 {
			id := fmt.Sprintf("v%d", i)
			if i%2 == 0 {
				v.write(secret(id, "next", id))
			} else {
				v.write(secret(id))
			}
		}
	})
	defer writer.Wait()
	seen := map[string]bool{}
	for {
		// An update during a read may be an error, but never mixes two versions.
		_ = set.Reload()
		got := ids(set, signedAt)
		var number int
		if _, err := fmt.Sscanf(got[0], "v%d", &number); err != nil {
			t.Fatal(err)
		}
		want := []string{got[0]}
		if number%2 == 0 {
			want = []string{got[0], got[0]}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("accepted: %v", got)
		}
		seen[got[0]] = true
		select {
		case <-done:
			if len(seen) < 3 {
				t.Errorf("only %d updates", len(seen))
			}
			return
		default:
		}
	}
}

func TestRunFollowsUntilTheContextEnds(t *testing.T) {
	v := newVolume(t)
	v.write(secret("v1"))
	synctest.Test(t, func(t *testing.T) {
		set := mustKeySet(t, KeySetOptions{}, v)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- set.Run(ctx) }()
		v.write(secret("v2"))
		time.Sleep(DefaultInterval - time.Nanosecond)
		synctest.Wait()
		wantIDs(t, set, "v1")
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		wantIDs(t, set, "v2")
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
