// SPDX-License-Identifier: Apache-2.0

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
)

// lagLimit is how long the caches may lag behind our own writes before a
// reconcile continues with what they show. Writes carry the resourceVersion, so
// continuing costs a refused write at worst.
const lagLimit = 10 * time.Second

// expectations are own writes that the caches do not show yet. They spare the
// API server requests that are based on an outdated cache. A restart begins with
// none, which costs a refused write at worst.
type expectations struct {
	clock clock.PassiveClock

	mu   sync.Mutex
	keys map[types.NamespacedName]*expectedWrites
}

type expectedWrites struct {
	uid types.UID
	// versions are the resourceVersions of the last writes, by kind.
	versions map[string]string
	at       time.Time
}

func newExpectations(clock clock.PassiveClock) *expectations {
	return &expectations{clock: clock, keys: map[types.NamespacedName]*expectedWrites{}}
}

// expect records the response to a write of one of the key's objects.
func (e *expectations) expect(key *signetv1alpha1.SignatureKey, object client.Object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := client.ObjectKeyFromObject(key)
	writes := e.keys[name]
	if writes == nil || writes.uid != key.UID {
		writes = &expectedWrites{uid: key.UID, versions: map[string]string{}}
		e.keys[name] = writes
	}
	writes.versions[kindOf(object)] = object.GetResourceVersion()
	writes.at = e.clock.Now()
}

// pending returns how long to wait for caches that do not show the last writes
// yet, and zero if they do. The caches' watches wake the key earlier.
func (e *expectations) pending(key *signetv1alpha1.SignatureKey, cached ...client.Object) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	writes := e.keys[client.ObjectKeyFromObject(key)]
	if writes == nil || writes.uid != key.UID {
		return 0
	}
	left := writes.at.Add(lagLimit).Sub(e.clock.Now())
	if left <= 0 {
		return 0
	}
	for _, object := range cached {
		order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), writes.versions[kindOf(object)])
		if err == nil && order < 0 {
			return left
		}
	}
	return 0
}

// forget drops the expectations of a key that is gone.
func (e *expectations) forget(name types.NamespacedName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.keys, name)
}

func kindOf(object client.Object) string {
	return fmt.Sprintf("%T", object)
}
