package gateways_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/api/signature"
)

// look is how often a mount looks for a changed Secret, beside its delay.
const look = 20 * time.Millisecond

// mount keeps a folder as a kubelet keeps a mounted Secret: files in a folder
// of their own, to which the link ..data is turned in one step, some time after
// the Secret has changed.
type mount struct {
	dir   string
	delay time.Duration
	made  int
}

// newMount mounts a Secret of the shop, which has to be there soon.
func newMount(tb testing.TB, w *world, secret string, delay time.Duration) *mount {
	tb.Helper()
	m := &mount{dir: tb.TempDir(), delay: delay}
	name := client.ObjectKey{Namespace: shop, Name: secret}
	var last map[string][]byte
	eventually(tb, "Secret "+secret, func() (err error) {
		last, err = m.update(context.Background(), w.admin, name, nil)
		return err
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if data, err := m.update(ctx, w.admin, name, last); err == nil {
				last = data
			}
			time.Sleep(look)
		}
	}()
	tb.Cleanup(func() { cancel(); <-done })
	return m
}

// update writes the folder anew if the Secret is not as it was.
func (m *mount) update(ctx context.Context, reader client.Reader, name client.ObjectKey, last map[string][]byte) (map[string][]byte, error) {
	var secret corev1.Secret
	if err := reader.Get(ctx, name, &secret); err != nil {
		return last, client.IgnoreNotFound(errors.Join(err, missing(err, last)))
	}
	if reflect.DeepEqual(secret.Data, last) {
		return last, nil
	}
	if last != nil {
		time.Sleep(m.delay)
	}
	return secret.Data, m.write(secret.Data)
}

// missing is an error for a Secret that has never been there: a kubelet does not
// start the Pod.
func missing(err error, last map[string][]byte) error {
	if apierrors.IsNotFound(err) && last == nil {
		return errors.New("there is none")
	}
	return nil
}

func (m *mount) write(data map[string][]byte) error {
	m.made++
	target := fmt.Sprintf("..%d", m.made)
	if err := os.Mkdir(filepath.Join(m.dir, target), 0o755); err != nil {
		return err
	}
	for name, value := range data {
		if err := os.WriteFile(filepath.Join(m.dir, target, name), value, 0o600); err != nil {
			return err
		}
	}
	before, _ := os.Readlink(filepath.Join(m.dir, "..data"))
	temporary := filepath.Join(m.dir, "..data_tmp")
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(m.dir, "..data")); err != nil {
		return err
	}
	if before == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(m.dir, before))
}

// keySet follows Secrets of the shop as a backend that has mounted them.
func keySet(tb testing.TB, w *world, delay time.Duration, secrets ...string) func() (*signature.KeySet, error) {
	tb.Helper()
	var dirs []string
	for _, secret := range secrets {
		dirs = append(dirs, newMount(tb, w, secret, delay).dir)
	}
	keys, err := signature.NewKeySet(dirs, signature.KeySetOptions{Interval: look})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = keys.Run(ctx); close(done) }()
	tb.Cleanup(func() { cancel(); <-done })
	return func() (*signature.KeySet, error) { return keys, nil }
}
