// SPDX-License-Identifier: Apache-2.0

package material

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/validation"
)

var (
	// ErrModified means that the data contains valid material but is not what Signet
	// has written: the checksum differs, or a value other than the components of the
	// active version is invalid. The set is returned with it, without what is
	// invalid. Its IDs may be missing or equal; WithNewIDs makes new ones.
	ErrModified = errors.New("another client has changed the data")
	// ErrBroken means that the data contains no usable material: a component of the
	// active version is missing or breaks a rule. The error names where, and never a
	// value.
	ErrBroken = errors.New("the data contains no usable material")
)

// A longer text cannot be from Signet, and a status could not repeat it.
const (
	maxID      = 64
	maxTrigger = 253
)

// Decode reads the data of a managed Secret. It ignores unknown keys of the data.
// Its errors are ErrModified and ErrBroken.
func Decode(data map[string][]byte) (*Set, error) {
	r := &reader{data: data, sound: string(data[dataChecksum]) == Checksum(data)}
	set := &Set{
		Type:          signetv1alpha1.KeyType(data[dataType]),
		Algorithm:     signetv1alpha1.KeyAlgorithm(data[dataAlgorithm]),
		DisplayName:   string(data[dataDisplayName]),
		Trigger:       r.text(dataTrigger, maxTrigger),
		RevokeTrigger: r.text(dataRevoke, maxTrigger),
		Salt:          Bytes(slices.Clone(data[dataSalt])),
	}
	active, err := r.version(set, "")
	if err != nil {
		return nil, err
	}
	set.Active = *active
	set.Next = r.staged(set, prefixNext)
	set.Previous = r.staged(set, prefixPrevious)
	if !r.sound || set.ambiguous() {
		return set, ErrModified
	}
	return set, nil
}

// TriggersOf returns the triggers that the data of a managed Secret records as acted
// upon.
func TriggersOf(data map[string][]byte) (trigger, revokeTrigger string) {
	return string(data[dataTrigger]), string(data[dataRevoke])
}

// ambiguous reports whether the IDs do not distinguish the versions.
func (s *Set) ambiguous() bool {
	var ids []string
	for _, v := range s.all() {
		if v.ID == "" || slices.Contains(ids, v.ID) {
			return true
		}
		ids = append(ids, v.ID)
	}
	return false
}

// reader reads data, and records whether Encode can have written it.
type reader struct {
	data  map[string][]byte
	sound bool
}

// staged reads the version with the prefix; nil if there is none, or one that no
// backend can verify with. The active version works without it.
func (r *reader) staged(set *Set, prefix string) *Version {
	if !hasVersion(r.data, prefix) {
		return nil
	}
	v, err := r.version(set, prefix)
	if err != nil {
		r.sound = false
		return nil
	}
	return v
}

func (r *reader) version(set *Set, prefix string) (*Version, error) {
	v := &Version{
		ID:        r.text(prefix+dataKeyID, maxID),
		Key:       Bytes(slices.Clone(r.data[prefix+dataKey])),
		Secret:    Bytes(slices.Clone(r.data[prefix+dataSecret])),
		Created:   r.time(prefix + dataCreated),
		Activated: r.time(prefix + dataActivated),
		Retires:   r.time(prefix + dataRetires),
	}
	if errs := validation.ValidateMaterial(set.Type, set.Algorithm, v.Key, v.Secret); len(errs) > 0 {
		return nil, fmt.Errorf("%w: %s%w", ErrBroken, prefix, errs.ToAggregate())
	}
	return v, nil
}

// text reads a value that a status repeats; empty if a status could not.
func (r *reader) text(name string, limit int) string {
	value := r.data[name]
	if !utf8.Valid(value) || utf8.RuneCount(value) > limit {
		r.sound = false
		return ""
	}
	return string(value)
}

// time reads whole seconds; zero if there is no time, or one whose year cannot be
// written in UTC.
func (r *reader) time(name string) time.Time {
	value, there := r.data[name]
	if !there {
		return time.Time{}
	}
	parsed, err := time.Parse(time.RFC3339, string(value))
	parsed = parsed.UTC().Truncate(time.Second)
	if err != nil || !writable(parsed) {
		r.sound = false
		return time.Time{}
	}
	return parsed
}

// writable reports whether the time can be written in RFC 3339 and read back.
func writable(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }
