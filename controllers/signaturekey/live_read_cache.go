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

	mu      sync.Mutex
	keys    map[types.NamespacedName]keyAnswer
	secrets map[types.NamespacedName]secretAnswer
	// orphans are protected Secrets without a label, in namespaces that are terminating.
	orphans map[types.NamespacedName]struct{}
	// staying is when a namespace was found not to be terminating.
	staying map[string]time.Time
}

type keyAnswer struct {
	uid        types.UID
	generation int64
	readiness  status.Readiness
	at         time.Time
}

// secretAnswer is what is known of the managed Secret of the key of that UID.
type secretAnswer struct {
	uid types.UID
	// gone is the UID of a Secret that no longer exists. No other Secret gets it.
	gone string
	// nameTaken reports whether a create, and each live read since, has found an object.
	nameTaken bool
}

func newLiveReadCache(clock clock.PassiveClock) *liveReadCache {
	return &liveReadCache{
		clock: clock,
		keys:  map[types.NamespacedName]keyAnswer{}, secrets: map[types.NamespacedName]secretAnswer{},
		orphans: map[types.NamespacedName]struct{}{}, staying: map[string]time.Time{},
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

// storeSecret records which UID is gone, and whether an object that the caches do not
// show has the name that a create needs.
func (c *liveReadCache) storeSecret(key *signetv1alpha1.SignatureKey, gone string, nameTaken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets[client.ObjectKeyFromObject(key)] = secretAnswer{uid: key.UID, gone: gone, nameTaken: nameTaken}
}

// lookupSecret returns the UID of a managed Secret that is known to be gone, and
// whether an object that the caches do not show has the name that a create needs.
func (c *liveReadCache) lookupSecret(key *signetv1alpha1.SignatureKey) (gone string, nameTaken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.secrets[client.ObjectKeyFromObject(key)]
	if answer.uid != key.UID {
		return "", false
	}
	return answer.gone, answer.nameTaken
}

// forget drops the answers for a key that is gone.
func (c *liveReadCache) forget(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, name)
	delete(c.secrets, name)
}

// storeOrphan records a protected Secret without a label.
func (c *liveReadCache) storeOrphan(secret types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orphans[secret] = struct{}{}
}

// takeOrphan reports whether such a Secret is known, and forgets it.
func (c *liveReadCache) takeOrphan(secret types.NamespacedName) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.orphans[secret]
	delete(c.orphans, secret)
	return known
}

// storeStaying records that a live read has found the namespace not terminating.
// That it is terminating is not remembered: an answer about an object must not
// outlive it, and a namespace of the same name can follow at once.
func (c *liveReadCache) storeStaying(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.staying[namespace] = c.clock.Now()
}

// isStaying reports whether the last live read has found the namespace not
// terminating, and that still stands.
func (c *liveReadCache) isStaying(namespace string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.staying[namespace]
	return known && c.clock.Since(at) < keyplan.LiveReadInterval
}
