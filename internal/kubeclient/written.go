// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Written has the API server's responses to writes of objects that the caches may not
// show yet, so that a decision need not wait for a watch to be made on the newest
// version. It is shared by all that write these objects.
type Written struct {
	mu      sync.Mutex
	objects map[writtenName]client.Object
}

type writtenName struct {
	kind string
	name types.NamespacedName
}

// NewWritten returns an empty memory.
func NewWritten() *Written {
	return &Written{objects: map[writtenName]client.Object{}}
}

// Store keeps the response to the write of an object, which must not be changed any
// more.
func (w *Written) Store(object client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[writtenNameOf(object)] = object
}

// Seen reports whether a version of an object that a watch shows is that of the last
// write, or older: then it is no news. What is kept is dropped once a watch has shown it
// or a newer version.
func (w *Written) Seen(object client.Object) (old bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := writtenNameOf(object)
	written, known := w.objects[name]
	switch {
	case !known:
		return false
	case isBefore(object, written):
		return true
	default:
		delete(w.objects, name)
		return written.GetUID() == object.GetUID() && written.GetResourceVersion() == object.GetResourceVersion()
	}
}

// Forget drops what is kept of an object that is gone: the watch may have shown that
// before the response was stored.
func (w *Written) Forget(object client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, writtenNameOf(object))
}

// Newest returns the response to the last write of the object that a cache has, if
// that is newer, else the object. It is not nil: whether an object exists that a cache
// does not show, only the API server knows.
func Newest[T client.Object](w *Written, cached T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := writtenNameOf(cached)
	written, known := w.objects[name].(T)
	if !known {
		return cached
	}
	if isBefore(cached, written) {
		return written
	}
	delete(w.objects, name)
	return cached
}

// isBefore reports whether one version of an object is older than another one.
func isBefore(object, other client.Object) bool {
	order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), other.GetResourceVersion())
	return err == nil && order < 0 && object.GetUID() == other.GetUID()
}

func writtenNameOf(object client.Object) writtenName {
	kind, _ := kindOf(object)
	return writtenName{kind, client.ObjectKeyFromObject(object)}
}
