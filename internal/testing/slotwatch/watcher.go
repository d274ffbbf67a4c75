// SPDX-License-Identifier: Apache-2.0

package slotwatch

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// Watcher watches the bindings of a namespace.
type Watcher struct {
	stream watch.Interface
	ended  chan struct{}

	mu       sync.Mutex
	bindings map[string]*signetv1alpha1.SignatureBinding
	doubles  []string
	failures []string
	seen     int
}

// Watch starts a watcher. The caller calls Stop.
func Watch(ctx context.Context, config *rest.Config, namespace string) (*Watcher, error) {
	scheme := runtime.NewScheme()
	if err := signetv1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register API types: %w", err)
	}
	watching, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("create a client: %w", err)
	}
	stream, err := watching.Watch(ctx, &signetv1alpha1.SignatureBindingList{}, client.InNamespace(namespace))
	if err != nil {
		return nil, fmt.Errorf("watch SignatureBindings: %w", err)
	}
	w := &Watcher{stream: stream, ended: make(chan struct{}), bindings: map[string]*signetv1alpha1.SignatureBinding{}}
	go w.follow()
	return w, nil
}

// Stop ends the watch.
func (w *Watcher) Stop() {
	w.stream.Stop()
	<-w.ended
}

// Seen returns the number of states that the watcher has seen.
func (w *Watcher) Seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// Doubles returns the slots that two bindings held at the same time.
func (w *Watcher) Doubles() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.doubles...)
}

// Failures returns the bindings that were not Ready at some time, with the reason.
func (w *Watcher) Failures() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.failures...)
}

func (w *Watcher) follow() {
	defer close(w.ended)
	for event := range w.stream.ResultChan() {
		if binding, ok := event.Object.(*signetv1alpha1.SignatureBinding); ok {
			w.record(event.Type, binding)
		}
	}
}

func (w *Watcher) record(eventType watch.EventType, binding *signetv1alpha1.SignatureBinding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen++
	if eventType == watch.Deleted {
		delete(w.bindings, binding.Name)
	} else {
		w.bindings[binding.Name] = binding
	}
	if ready := meta.FindStatusCondition(binding.Status.Conditions, signetv1alpha1.ConditionReady); ready != nil && ready.Status == metav1.ConditionFalse {
		w.failures = append(w.failures, binding.Name+" "+ready.Reason)
	}
	holders := map[slots.Slot]string{}
	for name, binding := range w.bindings {
		for _, slot := range slots.HeldBy(binding) {
			if other, held := holders[slot]; held {
				w.doubles = append(w.doubles, fmt.Sprintf("%v by %s and %s", slot, other, name))
			}
			holders[slot] = name
		}
	}
}
