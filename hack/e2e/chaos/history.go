// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/chaos/judge"
)

// barrier is a key outside of what the API server stores: its revision shows how far
// the history has been read.
const barrier = "/chaos/barrier"

// history reads every revision from etcd itself: a watch there continues where it
// stopped, also after restarts, so that none is missed.
type history struct {
	etcd    *clientv3.Client
	judge   *judge.Judge
	journal *journal

	mu   sync.Mutex
	seen int64
	err  error
	// changed is closed when another revision was seen.
	changed chan struct{}
}

func newHistory(address string, j *judge.Judge, journal *journal) (*history, error) {
	etcd, err := clientv3.New(clientv3.Config{
		Endpoints: []string{address}, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	return &history{etcd: etcd, judge: j, journal: journal, changed: make(chan struct{})}, nil
}

// follow reads from the first revision on until the context ends.
func (h *history) follow(ctx context.Context) {
	for response := range h.etcd.Watch(ctx, "/", clientv3.WithPrefix(), clientv3.WithRev(1)) {
		if err := response.Err(); err != nil {
			h.end(fmt.Errorf("gap in the history of etcd: %w", err))
			return
		}
		h.take(response.Events)
	}
	h.end(errors.New("the watch of etcd has ended"))
}

func (h *history) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = errors.Join(h.err, err)
	h.wake()
}

func (h *history) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *history) take(events []*clientv3.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, event := range events {
		revision, err := decode(event)
		if err != nil {
			h.err = errors.Join(h.err, err)
			continue
		}
		h.seen = event.Kv.ModRevision
		if revision == nil {
			continue
		}
		h.journal.add(line{
			namespace: namespaceOfRevision(revision), revision: revision.Number,
			text: fmt.Sprintf("%d %s", revision.Number, describe(revision)),
		})
		h.judge.Observe(*revision)
	}
	h.wake()
}

// ask calls a function with the judge, between two revisions.
func (h *history) ask(f func(*judge.Judge)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.judge)
	return h.err
}

// sync returns when the judge has seen all that was written before the call.
func (h *history) sync(ctx context.Context) error {
	put, err := h.etcd.Put(ctx, barrier, strconv.FormatInt(time.Now().UnixNano(), 10))
	if err != nil {
		return fmt.Errorf("write to etcd: %w", err)
	}
	for {
		h.mu.Lock()
		seen, err, changed := h.seen, h.err, h.changed
		h.mu.Unlock()
		if err != nil || seen >= put.Header.Revision {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("read the history up to revision %d: %w", put.Header.Revision, ctx.Err())
		case <-changed:
		}
	}
}

// decode returns the revision of an object that the judge knows; nil for others.
func decode(event *clientv3.Event) (*judge.Revision, error) {
	path := strings.Split(strings.TrimPrefix(string(event.Kv.Key), "/registry/"), "/")
	object, names := kindOf(path)
	if object == nil {
		return nil, nil //nolint:nilnil // no error, and nothing to see
	}
	revision := &judge.Revision{Number: event.Kv.ModRevision, Time: time.Now(), Name: names[len(names)-1]}
	if len(names) == 2 {
		revision.Namespace = names[0]
	}
	if event.Type == clientv3.EventTypeDelete {
		revision.Deleted = object
		return revision, nil
	}
	if err := decodeInto(object, event.Kv.Value); err != nil {
		return nil, fmt.Errorf("read %s of revision %d: %w", event.Kv.Key, event.Kv.ModRevision, err)
	}
	object.SetResourceVersion(strconv.FormatInt(event.Kv.ModRevision, 10))
	revision.Object = object
	return revision, nil
}

// kindOf returns an empty object of the kind, and the path behind it; nil for kinds
// and namespaces that no rule is about.
func kindOf(path []string) (object client.Object, names []string) {
	kind, names := path[0], path[1:]
	if kind == signetv1alpha1.GroupVersion.Group && len(names) > 0 {
		kind, names = names[0], names[1:]
	}
	if len(names) == 0 || !isTenant(names[0]) {
		return nil, nil
	}
	switch kind {
	case "signaturekeys":
		return &signetv1alpha1.SignatureKey{}, names
	case "signaturebindings":
		return &signetv1alpha1.SignatureBinding{}, names
	case "secrets":
		return &corev1.Secret{}, names
	case "configmaps":
		return &corev1.ConfigMap{}, names
	case "namespaces":
		return &corev1.Namespace{}, names
	default:
		return nil, nil
	}
}

// decodeInto reads what the API server has stored: JSON for custom resources,
// protobuf for others.
func decodeInto(object client.Object, value []byte) error {
	if len(value) > 0 && value[0] == '{' {
		return json.Unmarshal(value, object) //nolint:wrapcheck // the caller wraps it
	}
	return runtime.DecodeInto(clientgoscheme.Codecs.UniversalDeserializer(), value, object) //nolint:wrapcheck // the caller wraps it
}

func namespaceOfRevision(r *judge.Revision) string {
	if r.Namespace == "" {
		return r.Name
	}
	return r.Namespace
}
