// Package slotwatch lets tests see what any watcher can see: every state of the
// bindings of a namespace, and whether a slot ever had two holders.
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

// Witness watches the bindings of a namespace.
type Witness struct {
	stream watch.Interface
	ended  chan struct{}

	mu       sync.Mutex
	bindings map[string]*signetv1alpha1.SignatureBinding
	doubles  []string
	failures []string
	seen     int
}

// Watch starts a witness. Call Stop when done with it.
func Watch(ctx context.Context, config *rest.Config, namespace string) (*Witness, error) {
	scheme := runtime.NewScheme()
	if err := signetv1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("make the scheme: %w", err)
	}
	watching, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	stream, err := watching.Watch(ctx, &signetv1alpha1.SignatureBindingList{}, client.InNamespace(namespace))
	if err != nil {
		return nil, fmt.Errorf("watch SignatureBindings: %w", err)
	}
	w := &Witness{stream: stream, ended: make(chan struct{}), bindings: map[string]*signetv1alpha1.SignatureBinding{}}
	go w.follow()
	return w, nil
}

// Stop ends the watch.
func (w *Witness) Stop() {
	w.stream.Stop()
	<-w.ended
}

// Seen is how many states the witness has seen.
func (w *Witness) Seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// Doubles are the slots that two bindings held at one instant.
func (w *Witness) Doubles() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.doubles...)
}

// Failures are the bindings that were not Ready at one instant, with the reason.
func (w *Witness) Failures() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.failures...)
}

func (w *Witness) follow() {
	defer close(w.ended)
	for event := range w.stream.ResultChan() {
		if binding, ok := event.Object.(*signetv1alpha1.SignatureBinding); ok {
			w.look(event.Type, binding)
		}
	}
}

func (w *Witness) look(what watch.EventType, binding *signetv1alpha1.SignatureBinding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen++
	if what == watch.Deleted {
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
