// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"context"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// GetOrNil reads an object, and returns nil without an error if it does not exist.
// Any other error names the object.
func GetOrNil[T any, P interface {
	*T
	client.Object
}](ctx context.Context, reader client.Reader, name client.ObjectKey) (P, error) {
	object := P(new(T))
	err := reader.Get(ctx, name, object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", reflect.TypeFor[T]().Name(), name, err)
	}
	return object, nil
}

// Copy returns a deep copy of the object, of the same type.
func Copy[T client.Object](object T) T {
	return object.DeepCopyObject().(T) //nolint:forcetypeassert // a copy has the type of the original
}
