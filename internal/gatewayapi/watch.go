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

// resourceWatch follows one resource in one namespace, or in all.
type resourceWatch struct {
	resource  *observedResource
	namespace string
	informer  toolscache.SharedIndexInformer
	cancel    context.CancelFunc
	// synced is closed when the watch has synced, or failed for the first time.
	synced     chan struct{}
	syncedOnce sync.Once
	// stopped is closed when the informer has stopped.
	stopped chan struct{}

	// failure is the reason why the resource cannot be read now, empty if it can.
	// Guarded by the observer's mutex.
	failure string
}

// String returns the resource and the namespace.
func (w *resourceWatch) String() string {
	if w.namespace == metav1.NamespaceAll {
		return w.resource.name
	}
	return w.resource.name + " in namespace " + w.namespace
}

// newWatch starts to watch a resource. The caller holds the mutex.
func (o *Observer) newWatch(ctx context.Context, resource *observedResource, namespace string) *resourceWatch {
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, o.log))
	w := &resourceWatch{
		resource:  resource,
		namespace: namespace,
		cancel:    cancel,
		synced:    make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	w.informer = toolscache.NewSharedIndexInformerWithOptions(o.listWatch(w), resource.newObject(),
		toolscache.SharedIndexInformerOptions{Indexers: indexers, ObjectDescription: w.String()})
	// These three fail only after the informer has started.
	err := errors.Join(
		w.informer.SetTransform(toRecord),
		w.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *toolscache.Reflector, err error) {
			o.watchFailed(ctx, w, err)
		}),
	)
	_, handlerErr := w.informer.AddEventHandler(o.eventHandler())
	if err = errors.Join(err, handlerErr); err != nil {
		o.log.Error(err, "Failed to set up an informer", "watch", w.String())
	}
	go func() {
		defer close(w.stopped)
		w.informer.RunWithContext(ctx)
	}()
	go o.awaitSync(ctx, w)
	return w
}

// stop stops the watch and waits until it has ended.
func (w *resourceWatch) stop() {
	w.cancel()
	<-w.stopped
}

// markSynced records that the watch has synced or failed.
func (w *resourceWatch) markSynced() {
	w.syncedOnce.Do(func() { close(w.synced) })
}

// awaitSync notifies once when the initial objects have been read: the objects that
// are not among them matter as well.
func (o *Observer) awaitSync(ctx context.Context, w *resourceWatch) {
	select {
	case <-ctx.Done():
		return
	case <-w.informer.HasSyncedChecker().Done():
	}
	w.markSynced()
	o.notifyAll(w.resource, w.namespace)
}

func (o *Observer) listWatch(w *resourceWatch) *toolscache.ListWatch {
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

// watchFailed records why a list or watch has failed. The informer retries with a
// back-off, so only a new reason is logged. The records stay.
func (o *Observer) watchFailed(ctx context.Context, w *resourceWatch, err error) {
	if ctx.Err() != nil || isOrdinaryEnd(err) {
		return
	}
	if apierrors.IsNotFound(err) {
		o.discoverSoon()
	}
	if o.setFailure(w, failureOf(err)) {
		o.logFailure(o.log.WithValues("watch", w.String()), err)
	}
	w.markSynced()
}

func (o *Observer) logFailure(log logr.Logger, err error) {
	switch {
	case apierrors.IsNotFound(err):
		log.V(1).Info("Kind is being installed or removed", "error", err.Error())
	case apierrors.IsForbidden(err):
		log.Info("Not allowed to list and watch, keeping the last state of routes", "error", err.Error())
	default:
		log.Error(err, "Failed to list or watch, retrying")
	}
}

// watchRecovered records that the resource can be read.
func (o *Observer) watchRecovered(w *resourceWatch) {
	if o.setFailure(w, "") {
		o.log.Info("Watching again", "watch", w.String())
	}
}

// setFailure records the failure and reports whether it differs from the last one. It
// notifies if that changes what is known of objects that were never read.
func (o *Observer) setFailure(w *resourceWatch, failure string) bool {
	o.mu.Lock()
	changed, limit := w.failure != failure, w.limit()
	w.failure = failure
	limited := w.limit() != limit
	o.mu.Unlock()
	if limited {
		o.notifyAll(w.resource, w.namespace)
	}
	return changed
}

// limit returns the failure that makes an object without a record unknown, empty if
// there is none. Once the watch has synced, only a missing permission does: other
// failures are short. The caller holds the observer's mutex.
func (w *resourceWatch) limit() string {
	if w.failure == string(metav1.StatusReasonForbidden) || !w.informer.HasSynced() {
		return w.failure
	}
	return ""
}

// isOrdinaryEnd reports whether a watch has ended without a failure.
func isOrdinaryEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

// failureOf returns the reason of an error in one word, without its changing details.
func failureOf(err error) string {
	if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		return string(reason)
	}
	return "Unavailable"
}
