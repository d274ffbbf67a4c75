// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
			if _, ok := s.Enter(requestIn(namespace, number), false, func(reconcile.Request) {}); ok {
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
					if leave, ok := s.Enter(request, strings.HasSuffix(request.Name, "0"), retry); ok {
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

// One large request of a namespace is at work at a time. What waits for it is not forgotten
// if it has become small in the meantime, or is gone.
func TestShareHasOneLargeRequestOfANamespaceAtWork(t *testing.T) {
	s := NewShare(8)
	var handed []reconcile.Request
	retry := func(request reconcile.Request) { handed = append(handed, request) }
	leave, ok := s.Enter(requestIn("a", 1), true, retry)
	if !ok {
		t.Fatal("the first large request finds no worker")
	}
	for number := 2; number <= 4; number++ {
		if _, ok := s.Enter(requestIn("a", number), true, retry); ok {
			t.Fatalf("large request %d is at work, too", number)
		}
	}
	if _, ok := s.Enter(requestIn("b", 1), true, retry); !ok {
		t.Error("a large request of another namespace waits")
	}
	if small, ok := s.Enter(requestIn("a", 5), false, retry); !ok {
		t.Error("a small request waits")
	} else {
		small() // hands over a large one, which has to wait again
	}
	leave()
	for done := 0; done < 3; done++ {
		if len(handed) == 0 {
			t.Fatalf("%d of 3 requests were handed over", done)
		}
		request := handed[0]
		handed = handed[1:]
		isSmall := request.Name == requestIn("a", 2).Name
		next, ok := s.Enter(request, !isSmall, retry)
		if !ok {
			done--
			continue
		}
		next()
	}
	if len(s.waiting) != 0 || len(s.parked) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// With workers that run at the same time, each request gets its turn.
func TestShareWithConcurrentWorkers(t *testing.T) {
	const workers, namespaces, each = 4, 5, 200
	s, queue := NewShare(workers), make(chan reconcile.Request, 4*namespaces*each)
	retry := func(request reconcile.Request) { queue <- request }
	for number := range each {
		for namespace := range namespaces {
			retry(requestIn(fmt.Sprint(namespace), number))
		}
	}
	var left atomic.Int64
	left.Store(namespaces * each)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for left.Load() > 0 {
				select {
				case request := <-queue:
					if leave, ok := s.Enter(request, strings.HasSuffix(request.Name, "0"), retry); ok {
						runtime.Gosched()
						left.Add(-1)
						leave()
					}
				default:
					runtime.Gosched()
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Errorf("%d requests were not handed over: %+v", left.Load(), s)
	}
}
