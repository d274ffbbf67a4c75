// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Queue is the queue of a controller.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Enqueuer adds objects to the queue of a controller from outside its watches.
// Additions before the controller starts are not lost: the start reconciles all
// objects.
type Enqueuer struct {
	mu    sync.RWMutex
	queue Queue
}

// Start is a source.Func: the controller calls it with its queue.
func (e *Enqueuer) Start(_ context.Context, queue Queue) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = queue
	return nil
}

// Add adds an object.
func (e *Enqueuer) Add(namespace, name string) { e.AddAfter(namespace, name, 0) }

// Retry adds the object of a request.
func (e *Enqueuer) Retry(request reconcile.Request) { e.Add(request.Namespace, request.Name) }

// AddAfter adds an object after a delay.
func (e *Enqueuer) AddAfter(namespace, name string, delay time.Duration) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.queue != nil {
		e.queue.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}, delay)
	}
}
