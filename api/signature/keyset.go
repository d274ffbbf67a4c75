package signature

import (
	"context"
	"time"
)

// DefaultInterval is how often a KeySet looks at its directories.
const DefaultInterval = 5 * time.Second

// KeySetOptions say how a KeySet follows its directories.
type KeySetOptions struct {
	// Interval is how often Run looks; left out: DefaultInterval.
	Interval time.Duration
	// OnError is called when a directory cannot be read, with what is in force
	// unchanged: once for each error that is not the directory's last.
	OnError func(directory string, err error)
}

// KeySet follows directories into which managed Secrets, or ConfigMaps with
// public halves, are mounted, and accepts the keys of all of them: active, next,
// and previous until it retires. It is safe for concurrent use.
type KeySet struct {
	directories []string
	options     KeySetOptions
}

// NewKeySet reads the directories. It fails if none of them can be read: what is
// there goes into force, and the others may come later. Call Run to follow them.
func NewKeySet(directories []string, options KeySetOptions) (*KeySet, error) {
	return &KeySet{directories: directories, options: options}, nil
}

// Accepted are the keys that are accepted at that time.
func (s *KeySet) Accepted(at time.Time) []*Key { return nil }

// SigningKey is the active key of the first directory, in the order given, that
// has been read. The error is ErrNoKey or ErrCannotSign.
func (s *KeySet) SigningKey() (*Key, error) { return nil, ErrNoKey }

// Reload reads the directories now. A directory that is missing or broken keeps
// what it had; the error names each.
func (s *KeySet) Reload() error { return nil }

// Run follows the directories until the context ends, and returns nil then.
func (s *KeySet) Run(ctx context.Context) error { return nil }
