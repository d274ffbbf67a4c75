// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/keyplan"
	"github.com/signet-dev/signet/internal/status"
)

// liveReadCache holds the answers of live reads, so that an unchanged key costs
// none. A restart begins with none, which costs one read for each blocked key.
type liveReadCache struct {
	clock clock.PassiveClock

	mu         sync.Mutex
	keys       map[types.NamespacedName]keyAnswer
	namespaces map[string]namespaceAnswer
}

type keyAnswer struct {
	uid        types.UID
	generation int64
	readiness  status.Readiness
	at         time.Time
}

type namespaceAnswer struct {
	terminating bool
	at          time.Time
}

func newLiveReadCache(clock clock.PassiveClock) *liveReadCache {
	return &liveReadCache{
		clock: clock,
		keys:  map[types.NamespacedName]keyAnswer{}, namespaces: map[string]namespaceAnswer{},
	}
}

// store records what a live read has found in place of the key's objects.
func (c *liveReadCache) store(key *signetv1alpha1.SignatureKey, answer status.Readiness) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[client.ObjectKeyFromObject(key)] = keyAnswer{
		uid: key.UID, generation: key.Generation, readiness: answer, at: c.clock.Now(),
	}
}

// lookup returns what the last live read has found, and for how long that
// stands. It is zero if nothing was found, or if the key has changed since.
func (c *liveReadCache) lookup(key *signetv1alpha1.SignatureKey) (status.Readiness, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, found := c.keys[client.ObjectKeyFromObject(key)]
	left := answer.at.Add(keyplan.LiveReadInterval).Sub(c.clock.Now())
	if !found || answer.uid != key.UID || answer.generation != key.Generation || left <= 0 {
		return status.Readiness{}, 0
	}
	return answer.readiness, left
}

// forget drops the answers for a key that is gone.
func (c *liveReadCache) forget(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, name)
}

// storeNamespace records whether a live read has found the namespace
// terminating.
func (c *liveReadCache) storeNamespace(namespace string, terminating bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.namespaces[namespace] = namespaceAnswer{terminating: terminating, at: c.clock.Now()}
}

// lookupNamespace returns what the last live read of the namespace has found, if
// that still stands.
func (c *liveReadCache) lookupNamespace(namespace string) (terminating, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, known := c.namespaces[namespace]
	if !known || c.clock.Since(answer.at) >= keyplan.LiveReadInterval {
		return false, false
	}
	return answer.terminating, true
}
