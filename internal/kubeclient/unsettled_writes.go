// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"errors"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// UnsettledWrites has the version of each object on which a write of unknown outcome is
// based: the write may have taken effect already, or may still. It is settled once the
// object has another version, because the write is refused from then on.
type UnsettledWrites struct {
	mu    sync.Mutex
	bases map[writtenName]objectVersion
}

type objectVersion struct {
	uid     types.UID
	version string
}

// NewUnsettledWrites returns an empty memory.
func NewUnsettledWrites() *UnsettledWrites {
	return &UnsettledWrites{bases: map[writtenName]objectVersion{}}
}

// Record records the outcome of a write with optimistic locking that is based on this
// version of the object.
func (u *UnsettledWrites) Record(base client.Object, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err == nil:
		delete(u.bases, writtenNameOf(base))
	case IsUnsettled(err):
		u.bases[writtenNameOf(base)] = versionOf(base)
	}
}

// MayChange reports whether a write whose outcome is unknown is based on this version of
// the object, which must be the newest that is known.
func (u *UnsettledWrites) MayChange(object client.Object) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	name := writtenNameOf(object)
	base, known := u.bases[name]
	if known && base.isOlderThan(object) {
		delete(u.bases, name)
		return false
	}
	return known
}

// Forget drops what is known of an object that is gone.
func (u *UnsettledWrites) Forget(object client.Object) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.bases, writtenNameOf(object))
}

// IsUnsettled reports whether a write may take effect, or may have, despite the error.
// Only a refusal that is about the request proves that it does not: with the other codes,
// the API server also answers a repetition of a request that has succeeded.
func IsUnsettled(err error) bool {
	if err == nil || errors.Is(err, ErrNotLeading) {
		return false
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		switch status.Status().Code {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity:
			return false
		}
	}
	return true
}

func versionOf(object client.Object) objectVersion {
	return objectVersion{object.GetUID(), object.GetResourceVersion()}
}

// isOlderThan reports whether the object has changed since, or is another one.
func (v objectVersion) isOlderThan(object client.Object) bool {
	order, err := resourceversion.CompareResourceVersion(v.version, object.GetResourceVersion())
	return v.uid != object.GetUID() || err != nil && v.version != object.GetResourceVersion() || order < 0
}
