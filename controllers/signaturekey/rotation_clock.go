// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// rotationClock records since when this process has seen each key's rotation in
// its present state. Wall clocks differ and are stepped, so the times in the
// Secret alone cannot measure a delay. A restart begins a stage again.
type rotationClock struct {
	clock clock.PassiveClock

	mu   sync.Mutex
	keys map[types.NamespacedName]watchedState
}

type watchedState struct {
	uid   types.UID
	state string
	at    time.Time
}

func newRotationClock(clock clock.PassiveClock) *rotationClock {
	return &rotationClock{clock: clock, keys: map[types.NamespacedName]watchedState{}}
}

// observe starts to watch the state of the key's rotation, unless that is the
// state that is being watched.
func (c *rotationClock) observe(key *signetv1alpha1.SignatureKey, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := client.ObjectKeyFromObject(key)
	if watched := c.keys[name]; watched.uid != key.UID || watched.state != state {
		c.keys[name] = watchedState{uid: key.UID, state: state, at: c.clock.Now()}
	}
}

// watch returns the state that is being watched, and since when.
func (c *rotationClock) watch(key *signetv1alpha1.SignatureKey) material.Watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	watched, found := c.keys[client.ObjectKeyFromObject(key)]
	if !found || watched.uid != key.UID {
		return material.Watch{}
	}
	return material.Watch{State: watched.state, FirstSeen: watched.at, Watched: c.clock.Since(watched.at)}
}

// forget drops what is known of a key that is gone.
func (c *rotationClock) forget(name types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, name)
}
