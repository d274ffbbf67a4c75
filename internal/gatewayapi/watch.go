// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// gatewayWatch follows one resource in one namespace, or in all.
type gatewayWatch struct {
	resource  *observedResource
	namespace string
	informer  toolscache.SharedIndexInformer
	cancel    context.CancelFunc
	// settled is closed when the watch has synced or failed for the first time.
	settled     chan struct{}
	settledOnce sync.Once
	// stopped is closed when the informer has ended.
	stopped chan struct{}

	// failure is why nothing can be read at the moment, empty if it can.
	// Guarded by the observer's mutex.
	failure string
}

// String names what is watched.
func (w *gatewayWatch) String() string {
	if w.namespace == metav1.NamespaceAll {
		return w.resource.name
	}
	return w.resource.name + " in namespace " + w.namespace
}

// newWatch starts to follow a resource. The caller holds the mutex.
func (o *Observer) newWatch(ctx context.Context, resource *observedResource, namespace string) *gatewayWatch {
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, o.log))
	w := &gatewayWatch{
		resource:  resource,
		namespace: namespace,
		cancel:    cancel,
		settled:   make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	w.informer = toolscache.NewSharedIndexInformerWithOptions(o.listWatch(w), resource.newObject(),
		toolscache.SharedIndexInformerOptions{Indexers: gatewayIndexers, ObjectDescription: w.String()})
	// These three fail only once the informer has started.
	err := errors.Join(
		w.informer.SetTransform(toRecord),
		w.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *toolscache.Reflector, err error) {
			o.watchFailed(ctx, w, err)
		}),
	)
	_, handlerErr := w.informer.AddEventHandler(o.eventHandler())
	if err = errors.Join(err, handlerErr); err != nil {
		o.log.Error(err, "Cannot set up the informer", "watch", w.String())
	}
	go func() {
		defer close(w.stopped)
		w.informer.RunWithContext(ctx)
	}()
	go o.awaitSync(ctx, w)
	return w
}

// stop ends the watch and waits until it has.
func (w *gatewayWatch) stop() {
	w.cancel()
	<-w.stopped
}

func (w *gatewayWatch) markSynced() {
	w.settledOnce.Do(func() { close(w.settled) })
}

// awaitSync announces that the first objects have been read. They are not
// announced one by one: what is not among them matters as well.
func (o *Observer) awaitSync(ctx context.Context, w *gatewayWatch) {
	select {
	case <-ctx.Done():
		return
	case <-w.informer.HasSyncedChecker().Done():
	}
	w.markSynced()
	o.notifyAll(w.resource, w.namespace)
}

func (o *Observer) listWatch(w *gatewayWatch) *toolscache.ListWatch {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list := w.resource.newList()
			err := o.client.List(ctx, list, &client.ListOptions{Namespace: w.namespace, Raw: &options})
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			stream, err := o.client.Watch(ctx, w.resource.newList(), &client.ListOptions{Namespace: w.namespace, Raw: &options})
			if err == nil {
				o.watchRecovered(w)
			}
			return stream, err
		},
	}
}

// watchFailed notes why a list or watch has failed. The informer tries again by
// itself, ever more slowly; only what is new is logged. What was read before
// stays known.
func (o *Observer) watchFailed(ctx context.Context, w *gatewayWatch, err error) {
	if ctx.Err() != nil || isOrdinaryEnd(err) {
		return
	}
	if apierrors.IsNotFound(err) {
		o.lookSoon()
	}
	if o.setFailure(w, failureOf(err)) {
		o.logFailure(o.log.WithValues("watch", w.String()), err)
	}
	w.markSynced()
}

func (o *Observer) logFailure(log logr.Logger, err error) {
	switch {
	case apierrors.IsNotFound(err):
		log.V(1).Info("The kind is going or not yet there", "error", err.Error())
	case apierrors.IsForbidden(err):
		log.Info("Not allowed to read this: grant the manager list and watch; "+
			"until then publication rests on what was last known", "error", err.Error())
	default:
		log.Error(err, "Cannot read this; trying again")
	}
}

// watchRecovered notes that reading works, or works again.
func (o *Observer) watchRecovered(w *gatewayWatch) {
	if o.setFailure(w, "") {
		o.log.Info("Can read this again", "watch", w.String())
	}
}

// setFailure returns whether it is another than before.
func (o *Observer) setFailure(w *gatewayWatch, failure string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	changed := w.failure != failure
	w.failure = failure
	return changed
}

// isOrdinaryEnd says whether a watch has ended as watches do.
func isOrdinaryEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

// failureOf is the kind of an error in a word, the same while it stays the same.
func failureOf(err error) string {
	if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		return string(reason)
	}
	return "Unavailable"
}
