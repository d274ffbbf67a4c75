// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/signet-dev/signet/internal/pki"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// fileNames are the files of a certificate, named as the entries of its Secret.
var fileNames = []string{pki.DataCertificate, pki.DataPrivateKey, pki.DataBundle}

// folder stores each certificate in its own subfolder.
type folder string

func (f folder) describe(at location) string { return filepath.Join(string(f), at.name) }

// read returns the files that exist. An incomplete subfolder counts as existing.
func (f folder) read(_ context.Context, at location) (map[string][]byte, error) {
	var found map[string][]byte
	for _, name := range fileNames {
		text, err := os.ReadFile(filepath.Join(f.describe(at), name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		if found == nil {
			found = map[string][]byte{}
		}
		found[name] = text
	}
	return found, nil
}

// check always succeeds: write creates the folder.
func (folder) check(context.Context, location) error { return nil }

// write replaces each file atomically: the signer may be reading it.
func (f folder) write(_ context.Context, at location, data map[string][]byte) error {
	dir := f.describe(at)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	for _, name := range fileNames {
		if err := replace(filepath.Join(dir, name), data[name]); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	return nil
}

func replace(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(fileMode), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
