package certs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// names are the files of a certificate, as they are in a Secret.
var names = []string{"tls.crt", "tls.key", "ca.crt"}

// folder keeps each certificate in a folder of its own.
type folder string

func (f folder) describe(at place) string { return filepath.Join(string(f), at.name) }

// read returns what there is; a folder that is there in part counts as there.
func (f folder) read(_ context.Context, at place) (map[string][]byte, error) {
	var found map[string][]byte
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(f.describe(at), name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read a certificate: %w", err)
		}
		if found == nil {
			found = map[string][]byte{}
		}
		found[name] = text
	}
	return found, nil
}

// check has nothing to ask: a folder is made where it is wanted.
func (folder) check(context.Context, place) error { return nil }

// write replaces each file as a whole: the signer may be reading it.
func (f folder) write(_ context.Context, at place, data map[string][]byte) error {
	dir := f.describe(at)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	for _, name := range names {
		if err := replace(filepath.Join(dir, name), data[name]); err != nil {
			return fmt.Errorf("write a certificate: %w", err)
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
