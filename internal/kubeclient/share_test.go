// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func requestIn(namespace string, number int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("binding-%d", number)}}
}

// Whatever one namespace wants, another finds a worker, and so does a third.
func TestShareLeavesWorkersToOtherNamespaces(t *testing.T) {
	s := NewShare(8)
	enter := func(namespace string) (entered int) {
		for number := range 20 {
			if _, ok := s.Enter(requestIn(namespace, number), func(reconcile.Request) {}); ok {
				entered++
			}
		}
		return entered
	}
	for _, want := range []struct {
		namespace string
		workers   int
	}{{"crowded", 6}, {"second", 1}, {"third", 1}} {
		if got := enter(want.namespace); got != want.workers {
			t.Errorf("namespace %s got %d workers, want %d", want.namespace, got, want.workers)
		}
	}
}

// Each request that has found no worker is handed over exactly once, however the workers
// return; nothing is left behind.
func TestShareForgetsNoRequest(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			s := NewShare(workers)
			var queue []reconcile.Request
			retry := func(request reconcile.Request) { queue = append(queue, request) }
			for number := range 50 {
				for _, namespace := range []string{"a", "b", "c"} {
					retry(requestIn(namespace, number))
				}
			}
			done := map[reconcile.Request]bool{}
			var working []func()
			for len(queue) > 0 || len(working) > 0 {
				if len(queue) > 0 && len(working) < workers {
					request := queue[0]
					queue = queue[1:]
					if leave, ok := s.Enter(request, retry); ok {
						done[request] = true
						working = append(working, leave)
					}
					continue
				}
				working[0]()
				working = working[1:]
			}
			if len(done) != 150 || len(s.waiting) != 0 || len(s.parked) != 0 || s.all != 0 || len(s.busy) != 0 {
				t.Errorf("%d of 150 were done; left: %+v", len(done), s)
			}
		})
	}
}
