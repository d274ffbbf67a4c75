// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultInterval is the time between two reads of the directories of a KeySet.
const DefaultInterval = 5 * time.Second

// KeySetOptions configure how a KeySet follows its directories.
type KeySetOptions struct {
	// Interval is the time between two reads in Run. It must not be negative.
	// Defaults to DefaultInterval, which is shorter than the kubelet takes to update
	// a mounted volume.
	Interval time.Duration
	// OnError is called when reading a directory fails, unless the error is the
	// same as the directory's last one. The last keys of the directory stay
	// accepted. OnError must not call the KeySet.
	OnError func(directory string, err error)
}

// KeySet follows directories in which managed Secrets, or ConfigMaps with public
// keys, are mounted. It accepts the active, next and previous version of each.
// Signet removes the previous version when it retires. If the removal does not
// arrive, the version expires DefaultWindow later. A KeySet is safe for concurrent
// use.
//
// A KeySet never mixes the keys of two updates: it reads again if the `..data` link of
// a volume, a link on the path, or the directory itself was replaced meanwhile. It does
// not notice files whose content is overwritten: replace them by renaming.
type KeySet struct {
	options     KeySetOptions
	directories []*directory
	// reading guards the directories while they are read.
	reading sync.Mutex
	current atomic.Pointer[keys]
}

// keys are the keys of all directories.
type keys struct {
	accepted []acceptedKey
	// signing is the first active key that can sign, or nil.
	signing *Key
}

// acceptedKey is accepted until the given time, or forever if that is zero.
type acceptedKey struct {
	key   *Key
	until time.Time
}

// NewKeySet reads the directories. It fails if none of them can be read. If some can,
// it starts with those, passes the errors of the others to OnError, and loads them
// once they are readable. Call Run to follow the directories.
func NewKeySet(directories []string, options KeySetOptions) (*KeySet, error) {
	if len(directories) == 0 {
		return nil, errors.New("no directories given")
	}
	if options.Interval < 0 {
		return nil, errors.New("interval must not be negative")
	}
	if options.Interval == 0 {
		options.Interval = DefaultInterval
	}
	s := &KeySet{options: options}
	for _, path := range directories {
		s.directories = append(s.directories, &directory{path: path})
	}
	err := s.Reload()
	if len(s.current.Load().accepted) == 0 {
		return nil, fmt.Errorf("no directory contains keys: %w", err)
	}
	return s, nil
}

// Accepted returns the keys that are accepted at the given time.
func (s *KeySet) Accepted(at time.Time) []*Key {
	all := s.current.Load().accepted
	accepted := make([]*Key, 0, len(all))
	for _, a := range all {
		if a.until.IsZero() || !at.After(a.until) {
			accepted = append(accepted, a.key)
		}
	}
	return accepted
}

// SigningKey returns the active key of the first directory, in the order given, whose
// active key can sign. The error is ErrCannotSign if there is none.
func (s *KeySet) SigningKey() (*Key, error) {
	if key := s.current.Load().signing; key != nil {
		return key, nil
	}
	return nil, ErrCannotSign
}

// Reload reads the directories now. A missing or invalid directory keeps its last
// keys, and the error names each of those.
func (s *KeySet) Reload() error {
	s.reading.Lock()
	defer s.reading.Unlock()
	var errs []error
	all := &keys{}
	for _, d := range s.directories {
		err := d.read()
		if err != nil {
			errs = append(errs, fmt.Errorf("read keys in %s: %w", d.path, err))
		}
		s.report(d, err)
		all.add(d.versions)
	}
	s.current.Store(all)
	return errors.Join(errs...)
}

func (s *KeySet) report(d *directory, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != d.reported && s.options.OnError != nil {
		s.options.OnError(d.path, err)
	}
	d.reported = text
}

func (k *keys) add(v *versions) {
	if v == nil {
		return
	}
	k.accepted = append(k.accepted, acceptedKey{key: v.active})
	if v.next != nil {
		k.accepted = append(k.accepted, acceptedKey{key: v.next})
	}
	if v.previous != nil {
		k.accepted = append(k.accepted, acceptedKey{key: v.previous, until: v.until()})
	}
	if k.signing == nil && v.active.CanSign() {
		k.signing = v.active
	}
}

// Run follows the directories until the context ends, and then returns nil. Errors
// are passed to OnError: an invalid directory does not stop Run.
func (s *KeySet) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			// Reload passes errors to OnError.
			_ = s.Reload()
		}
	}
}
