// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// layouts are the ways in which a volume can be mounted: the directory in it, and an
// update of all files at once.
var layouts = map[string]struct {
	directory string
	update    func(t *testing.T, root, id string)
}{
	"a Secret": {"", func(t *testing.T, root, id string) {
		writeSecret(t, filepath.Join(root, ".."+id), id)
		replaceLink(t, ".."+id, filepath.Join(root, "..data"))
	}},
	"a projected path": {"orders", func(t *testing.T, root, id string) {
		writeSecret(t, filepath.Join(root, ".."+id, "orders"), id)
		replaceLink(t, ".."+id, filepath.Join(root, "..data"))
		replaceLink(t, "..data/orders", filepath.Join(root, "orders"))
	}},
	"a projected path of two parts": {"keys/orders", func(t *testing.T, root, id string) {
		writeSecret(t, filepath.Join(root, ".."+id, "keys", "orders"), id)
		replaceLink(t, ".."+id, filepath.Join(root, "..data"))
		replaceLink(t, "..data/keys", filepath.Join(root, "keys"))
	}},
	"a link to the volume": {"link", func(t *testing.T, root, id string) {
		writeSecret(t, filepath.Join(root, "volume", ".."+id), id)
		replaceLink(t, ".."+id, filepath.Join(root, "volume", "..data"))
		replaceLink(t, "volume", filepath.Join(root, "link"))
	}},
	"a link to another volume": {"link", func(t *testing.T, root, id string) {
		writeSecret(t, filepath.Join(root, "volume-"+id, "..data"), id)
		replaceLink(t, "volume-"+id, filepath.Join(root, "link"))
	}},
	"a directory that is renamed": {"orders", func(t *testing.T, root, id string) {
		writeSecret(t, filepath.Join(root, "fresh-"+id), id)
		_ = os.Rename(filepath.Join(root, "orders"), filepath.Join(root, "before-"+id))
		if err := os.Rename(filepath.Join(root, "fresh-"+id), filepath.Join(root, "orders")); err != nil {
			t.Fatal(err)
		}
	}},
}

func replaceLink(t *testing.T, target, path string) {
	t.Helper()
	if err := errors.Join(os.Symlink(target, path+"_tmp"), os.Rename(path+"_tmp", path)); err != nil {
		t.Fatal(err)
	}
}

func writeSecret(t *testing.T, directory, id string) {
	t.Helper()
	if err := os.MkdirAll(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range secret(id) {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadingNeverMixesUpdates replaces everything after the first file was read.
func TestReadingNeverMixesUpdates(t *testing.T) {
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, layout.directory)
			layout.update(t, root, "v1")
			updated := false
			data, err := readVolume(path, func(directory string) (map[string][]byte, error) {
				first, err := readFile(filepath.Join(directory, "key-id"))
				if err != nil {
					return nil, err
				}
				if !updated {
					updated = true
					layout.update(t, root, "v2")
				}
				rest := path
				if _, err := os.Stat(filepath.Join(path, "..data")); err == nil {
					rest = filepath.Join(path, "..data")
				}
				data, err := readFiles(rest)
				data["key-id"] = first
				return data, err
			})
			if err != nil {
				t.Fatal(err)
			}
			if id, content := string(data["key-id"]), string(data["secret"]); content != "secret_of_"+id || id != "v2" {
				t.Errorf("read %q of %q", content, id)
			}
			set, err := NewKeySet([]string{path}, KeySetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			wantIDs(t, set, "v2")
		})
	}
}
