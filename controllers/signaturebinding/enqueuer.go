// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// enqueuer lets the reconciler add bindings to its own queue. Additions before the
// controller starts are not lost: the start reconciles all bindings.
type enqueuer struct {
	mu    sync.RWMutex
	queue queue
}

// start is a source.Func: the controller calls it with its queue.
func (e *enqueuer) start(_ context.Context, q queue) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = q
	return nil
}

func (e *enqueuer) add(namespace, name string) { e.addAfter(namespace, name, 0) }

func (e *enqueuer) addAfter(namespace, name string, delay time.Duration) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.queue != nil {
		e.queue.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}, delay)
	}
}

// addLater adds the binding after the delay; a delay of zero adds nothing.
func (e *enqueuer) addLater(binding *signetv1alpha1.SignatureBinding, delay time.Duration) {
	if delay > 0 {
		e.addAfter(binding.Namespace, binding.Name, delay)
	}
}

// addClaimants adds all bindings except this one that list or hold one of the
// slots.
func (e *enqueuer) addClaimants(claims *slots.NamespaceCache, binding *signetv1alpha1.SignatureBinding, changed []slots.Slot) {
	for _, slot := range changed {
		for _, name := range claims.Claimants(slot) {
			if name != binding.Name {
				e.add(binding.Namespace, name)
			}
		}
	}
}

func requestFor(object client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)}
}
