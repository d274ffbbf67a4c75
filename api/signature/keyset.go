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

// DefaultInterval is how often a KeySet looks at its directories.
const DefaultInterval = 5 * time.Second

// KeySetOptions say how a KeySet follows its directories.
type KeySetOptions struct {
	// Interval is how often Run looks; left out: DefaultInterval. The kubelet
	// takes longer than that to change what is mounted.
	Interval time.Duration
	// OnError is called when a directory cannot be read: once for each error
	// that differs from the directory's last. What the directory had stays in
	// force. It must not call the KeySet.
	OnError func(directory string, err error)
}

// KeySet follows directories into which managed Secrets, or ConfigMaps with
// public halves, are mounted, and accepts the keys of all of them: active, next
// and previous. Signet takes previous out when it retires; where that does not
// arrive, it ends DefaultWindow later. A KeySet is safe for concurrent use.
//
// A volume is read through its `..data` link, so that keys of one update are
// never mixed with those of another. A directory without that link is read file
// by file: change it by renaming.
type KeySet struct {
	options     KeySetOptions
	directories []*directory
	// reading is held while directories are read, and guards them.
	reading sync.Mutex
	current atomic.Pointer[keys]
}

// keys are what all directories together have.
type keys struct {
	accepted []acceptedKey
	// signing is nil if no active key can sign.
	signing *Key
}

// acceptedKey is accepted until then, or for good if that is zero.
type acceptedKey struct {
	key   *Key
	until time.Time
}

// NewKeySet reads the directories. It fails if none of them can be read; if some
// can, it starts with those, tells OnError of the others, and takes them up when
// they come. Call Run to follow them.
func NewKeySet(directories []string, options KeySetOptions) (*KeySet, error) {
	if len(directories) == 0 {
		return nil, errors.New("a key set needs a directory")
	}
	if options.Interval < 0 {
		return nil, errors.New("the interval cannot be negative")
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
		return nil, fmt.Errorf("no directory has keys: %w", err)
	}
	return s, nil
}

// Accepted are the keys that are accepted at that time.
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

// SigningKey is the active key of the first directory, in the order given, that
// has one which can sign. The error is ErrCannotSign if there is none.
func (s *KeySet) SigningKey() (*Key, error) {
	if key := s.current.Load().signing; key != nil {
		return key, nil
	}
	return nil, ErrCannotSign
}

// Reload reads the directories now. What is missing or broken keeps what it had;
// the error names each of those.
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

// Run follows the directories until the context ends, and returns nil then.
// Errors go to OnError: a directory that breaks stops nothing.
func (s *KeySet) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			// OnError has it.
			_ = s.Reload()
		}
	}
}
