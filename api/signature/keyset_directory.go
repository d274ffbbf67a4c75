// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files of a managed Secret, and of the ConfigMap with its public keys.
const (
	fileType      = "type"
	fileAlgorithm = "algorithm"
	fileKey       = "key"
	fileSecret    = "secret"
	fileKeyID     = "key-id"
	fileRetires   = "previous.retires"

	prefixNext     = "next."
	prefixPrevious = "previous."
)

// files are the files that are read. A directory can contain others.
var files = []string{
	fileType, fileAlgorithm, fileKey, fileSecret, fileKeyID,
	prefixNext + fileKey, prefixNext + fileSecret, prefixNext + fileKeyID,
	prefixPrevious + fileKey, prefixPrevious + fileSecret, prefixPrevious + fileKeyID, fileRetires,
}

const (
	// dataLink is the link that the kubelet renames to replace all files at once.
	dataLink = "..data"
	// maxFile is more than the largest component, a private key of 2048 characters.
	maxFile = 16 << 10
	// attempts limits how often a directory that changes is read again.
	attempts = 5
)

// versions are the versions in one directory.
type versions struct {
	active, next, previous *Key
	// retires is when Signet removes the previous version. Zero means unknown.
	retires time.Time
}

// until returns the time until which the previous version is accepted. Zero means as
// long as it exists. The clock here may be ahead of Signet's by as much as dates may
// differ.
func (v *versions) until() time.Time {
	if v.retires.IsZero() {
		return v.retires
	}
	return v.retires.Add(DefaultWindow)
}

// directory is a followed directory with its last valid content.
type directory struct {
	path string
	// versions is nil until the directory was valid once.
	versions *versions
	// sum is the hash of the files of versions.
	sum [sha256.Size]byte
	// reported is the last error, so that none is reported twice in a row.
	reported string
}

// read replaces the versions by the current content if that is valid.
func (d *directory) read() error {
	data, err := readVolume(d.path, readFiles)
	if err != nil {
		return err
	}
	sum := sumOf(data)
	if d.versions != nil && sum == d.sum {
		return nil
	}
	parsed, err := parseVersions(data)
	if err != nil {
		return err
	}
	d.versions, d.sum = parsed, sum
	return nil
}

// readVolume reads the files of one update. A volume is updated by renaming a link or
// a directory, wherever on the path that is, and the old files are removed afterwards:
// if the same directory is there before and after, all files were in it.
func readVolume(path string, read func(directory string) (map[string][]byte, error)) (map[string][]byte, error) {
	for range attempts {
		before, err := resolve(path)
		if err != nil {
			return nil, err
		}
		data, err := read(before.path)
		after, resolveErr := resolve(path)
		if resolveErr != nil {
			return nil, resolveErr
		}
		if before.isSame(after) {
			return data, err
		}
	}
	return nil, errors.New("directory keeps changing")
}

// place is the directory that files are in, without links on the way to it.
type place struct {
	path string
	info fs.FileInfo
}

// isSame also compares the time of the last change: another directory can have the
// number of one that was removed.
func (p place) isSame(other place) bool {
	return p.path == other.path && os.SameFile(p.info, other.info) && p.info.ModTime().Equal(other.info.ModTime())
}

// resolve follows the data link and all others. In a volume that the kubelet projects,
// the link can be above the directory: orders -> ..data/orders.
func resolve(path string) (place, error) {
	if _, err := os.Lstat(filepath.Join(path, dataLink)); err == nil {
		path = filepath.Join(path, dataLink)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return place{}, err
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return place{}, err
	}
	info, err := os.Stat(resolved)
	return place{path: resolved, info: info}, err
}

func readFiles(path string) (map[string][]byte, error) {
	data := map[string][]byte{}
	for _, name := range files {
		content, err := readFile(filepath.Join(path, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		data[name] = content
	}
	return data, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // It was only read.
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return content, nil
}

// sumOf hashes names and contents, each with its length before it.
func sumOf(data map[string][]byte) [sha256.Size]byte {
	var text []byte
	for _, name := range files {
		content, there := data[name]
		if !there {
			continue
		}
		for _, part := range [][]byte{[]byte(name), content} {
			text = binary.BigEndian.AppendUint64(text, uint64(len(part)))
			text = append(text, part...)
		}
	}
	return sha256.Sum256(text)
}

func parseVersions(data map[string][]byte) (*versions, error) {
	if _, there := data[fileType]; !there {
		return nil, fmt.Errorf("%w: %s: missing", ErrMaterial, fileType)
	}
	var parsed versions
	var err error
	if parsed.active, err = parseVersion(data, ""); err != nil {
		return nil, err
	}
	if parsed.next, err = parseStaged(data, prefixNext); err != nil {
		return nil, err
	}
	if parsed.previous, err = parseStaged(data, prefixPrevious); err != nil {
		return nil, err
	}
	if text, there := data[fileRetires]; there {
		if parsed.retires, err = time.Parse(time.RFC3339, string(text)); err != nil {
			return nil, fmt.Errorf("%w: %s: not an RFC 3339 time", ErrMaterial, fileRetires)
		}
	}
	return &parsed, nil
}

// parseStaged returns nil if there is no such version.
func parseStaged(data map[string][]byte, prefix string) (*Key, error) {
	for _, component := range []string{fileKey, fileSecret, fileKeyID} {
		if _, there := data[prefix+component]; there {
			return parseVersion(data, prefix)
		}
	}
	return nil, nil //nolint:nilnil // there is no such version
}

func parseVersion(data map[string][]byte, prefix string) (*Key, error) {
	key, err := NewKey(Material{
		Type:      Type(data[fileType]),
		Algorithm: Algorithm(data[fileAlgorithm]),
		KeyID:     string(data[prefix+fileKeyID]),
		Key:       data[prefix+fileKey],
		Secret:    data[prefix+fileSecret],
	})
	if err != nil && prefix != "" {
		return nil, fmt.Errorf("in %s*: %w", prefix, err)
	}
	return key, err
}
