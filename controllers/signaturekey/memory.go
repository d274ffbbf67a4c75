package signaturekey

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
)

const (
	// lagLimit is how long the caches may lag behind our own writes before a
	// reconcile goes on with what they show. Writes carry the resourceVersion,
	// so going on costs a refused write at worst.
	lagLimit = 10 * time.Second
	// askAgain is how long the answer of a live read stands for a key that has
	// not changed: no watch tells of objects that the caches leave out.
	askAgain = time.Minute
)

// keyMemory is what the controller remembers of keys to spare the API server:
// what it has written itself, what live reads have answered, and since when
// rotations stand where they do. A restart begins with an empty one; that costs
// reads, and a stage begins anew.
type keyMemory struct {
	clock clock.PassiveClock

	mu         sync.Mutex
	keys       map[types.NamespacedName]*keyRecall
	namespaces map[string]namespaceRecall
}

type keyRecall struct {
	uid types.UID
	// written are the resourceVersions of our last writes, by kind.
	written   map[string]string
	writtenAt time.Time
	// answer is what a live read found in place of the managed Secret.
	answer     status.Readiness
	generation int64
	answeredAt time.Time
	// standing is where the rotation stands since we have seen it there.
	standing string
	seenAt   time.Time
}

type namespaceRecall struct {
	terminating bool
	answeredAt  time.Time
}

func newKeyMemory(clock clock.PassiveClock) *keyMemory {
	return &keyMemory{
		clock: clock,
		keys:  map[types.NamespacedName]*keyRecall{}, namespaces: map[string]namespaceRecall{},
	}
}

// recall returns what is known of the key, and begins anew for another key of
// the same name. Call it under the lock.
func (m *keyMemory) recall(key *signetv1alpha1.SignatureKey) *keyRecall {
	name := client.ObjectKeyFromObject(key)
	recall := m.keys[name]
	if recall == nil || recall.uid != key.UID {
		recall = &keyRecall{uid: key.UID, written: map[string]string{}}
		m.keys[name] = recall
	}
	return recall
}

// forget drops what is known of a key that is gone.
func (m *keyMemory) forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.keys, name)
}

// wrote notes the answer to a write of one of the run's objects.
func (m *keyMemory) wrote(run *keyRun, object client.Object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	recall := m.recall(run.key)
	recall.written[kindOf(object)] = object.GetResourceVersion()
	recall.writtenAt = m.clock.Now()
}

// lag is how long to wait for caches that do not show our own last writes yet;
// zero if they do. Their watches wake the key earlier.
func (m *keyMemory) lag(run *keyRun) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	recall := m.keys[client.ObjectKeyFromObject(run.key)]
	if recall == nil || recall.uid != run.key.UID {
		return 0
	}
	left := recall.writtenAt.Add(lagLimit).Sub(m.clock.Now())
	if left <= 0 {
		return 0
	}
	for _, object := range run.objects() {
		order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), recall.written[kindOf(object)])
		if err == nil && order < 0 {
			return left
		}
	}
	return 0
}

// answered notes what a live read has found in place of the managed Secret.
func (m *keyMemory) answered(key *signetv1alpha1.SignatureKey, answer status.Readiness) {
	m.mu.Lock()
	defer m.mu.Unlock()
	recall := m.recall(key)
	recall.answer, recall.generation, recall.answeredAt = answer, key.Generation, m.clock.Now()
}

// answer is what the last live read has found, and for how long that stands.
func (m *keyMemory) answer(key *signetv1alpha1.SignatureKey) (status.Readiness, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	recall := m.recall(key)
	left := recall.answeredAt.Add(askAgain).Sub(m.clock.Now())
	if recall.answer.IsZero() || recall.generation != key.Generation || left <= 0 {
		return status.Readiness{}, 0
	}
	return recall.answer, left
}

// watch is this moment, for a key whose rotation stands as the set says: since
// when it has been seen there. Clocks differ and are stepped, so that times in
// the set alone would not do.
func (m *keyMemory) watch(key *signetv1alpha1.SignatureKey, set *material.Set) material.Moment {
	m.mu.Lock()
	defer m.mu.Unlock()
	recall, now := m.recall(key), m.clock.Now()
	if standing := set.RotationState(); recall.standing != standing {
		recall.standing, recall.seenAt = standing, now
	}
	return material.Moment{Now: now, FirstSeen: recall.seenAt, Watched: m.clock.Since(recall.seenAt)}
}

// namespaceAnswered notes whether a live read has found the namespace
// terminating.
func (m *keyMemory) namespaceAnswered(namespace string, terminating bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.namespaces[namespace] = namespaceRecall{terminating: terminating, answeredAt: m.clock.Now()}
}

// namespaceAnswer is what the last live read of the namespace has found, if
// that still stands.
func (m *keyMemory) namespaceAnswer(namespace string) (terminating, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	recall, known := m.namespaces[namespace]
	if !known || m.clock.Since(recall.answeredAt) >= askAgain {
		return false, false
	}
	return recall.terminating, true
}

func kindOf(object client.Object) string { return fmt.Sprintf("%T", object) }
