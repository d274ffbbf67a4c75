// SPDX-License-Identifier: Apache-2.0

package gateways

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Look is how often a Mount checks for a changed Secret, in addition to its delay.
const Look = 20 * time.Millisecond

// Mount keeps a folder as a kubelet keeps a mounted Secret: files in a folder of
// their own, to which the link ..data is turned in one step.
type Mount struct {
	// Dir is the folder.
	Dir string
	// Delay is how long the Mount takes to see a change.
	Delay time.Duration

	made int
	last map[string][]byte
}

// Update writes the folder again if the Secret has changed. A missing Secret is an
// error the first time, as a kubelet starts no Pod then; later it
// changes nothing.
func (m *Mount) Update(ctx context.Context, reader client.Reader, name client.ObjectKey) error {
	var secret corev1.Secret
	if err := reader.Get(ctx, name, &secret); err != nil {
		if m.last != nil {
			err = client.IgnoreNotFound(err)
		}
		return err
	}
	if reflect.DeepEqual(secret.Data, m.last) {
		return nil
	}
	if m.last != nil {
		time.Sleep(m.Delay)
	}
	if err := m.write(secret.Data); err != nil {
		return fmt.Errorf("mount Secret %s: %w", name, err)
	}
	m.last = secret.Data
	return nil
}

// Follow updates the folder until the context ends.
func (m *Mount) Follow(ctx context.Context, reader client.Reader, name client.ObjectKey) {
	tick := time.NewTicker(Look)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// What has failed is tried again the next time.
			_ = m.Update(ctx, reader, name)
		case <-ctx.Done():
			return
		}
	}
}

func (m *Mount) write(data map[string][]byte) error {
	m.made++
	target := fmt.Sprintf("..%d", m.made)
	if err := os.Mkdir(filepath.Join(m.Dir, target), 0o700); err != nil {
		return err
	}
	for name, value := range data {
		if err := os.WriteFile(filepath.Join(m.Dir, target, name), value, 0o600); err != nil {
			return err
		}
	}
	before, _ := os.Readlink(filepath.Join(m.Dir, "..data"))
	temporary := filepath.Join(m.Dir, "..data_tmp")
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(m.Dir, "..data")); err != nil {
		return err
	}
	if before == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(m.Dir, before))
}
