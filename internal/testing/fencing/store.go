// SPDX-License-Identifier: Apache-2.0

package fencing

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// objectName identifies an object of a kind.
type objectName struct {
	kind reflect.Type
	name string
}

func nameOf(object client.Object) objectName {
	return objectName{reflect.TypeOf(object), object.GetName()}
}

// objects are the objects of the one namespace. They are not changed.
type objects map[objectName]client.Object

// store is what the API server has: versions that count up, optimistic locking, a
// status subresource, finalizers, and a garbage collector that is never late.
type store struct {
	objects
	// gone are the last versions of objects that no longer exist.
	gone           objects
	now            time.Time
	versions, uids int
	// changed is called after each change.
	changed func(before, after client.Object)
}

// write is a request of a manager.
type write struct {
	verb string
	// object is as it was sent.
	object client.Object
	// patch is a merge patch; nil for another verb.
	patch  []byte
	status bool
	// deposed is true for a write of an earlier leader.
	deposed bool
}

func (s *store) apply(w *write) (client.Object, error) {
	name := nameOf(w.object)
	current := s.objects[name]
	resource := schema.GroupResource{Resource: fmt.Sprintf("%T", w.object)}
	if w.verb == "create" {
		if current != nil {
			return nil, apierrors.NewAlreadyExists(resource, name.name)
		}
		return s.create(kubeclient.Copy(w.object)), nil
	}
	if current == nil {
		return nil, apierrors.NewNotFound(resource, name.name)
	}
	next := kubeclient.Copy(w.object)
	if w.patch != nil {
		var err error
		if next, err = merged(current, w.patch); err != nil {
			return nil, err
		}
	}
	if next.GetResourceVersion() != current.GetResourceVersion() {
		return nil, apierrors.NewConflict(resource, name.name, errors.New("the object has been modified"))
	}
	next = separate(current, next, w.status)
	added := slices.ContainsFunc(next.GetFinalizers(), func(f string) bool { return !slices.Contains(current.GetFinalizers(), f) })
	if added && current.GetDeletionTimestamp() != nil {
		return nil, apierrors.NewForbidden(resource, name.name, errors.New("no new finalizers can be added if the object is being deleted"))
	}
	return s.put(current, next), nil
}

// separate keeps what the request cannot change: the status, or all but the status.
func separate(current, next client.Object, status bool) client.Object {
	switch next := next.(type) {
	case *signetv1alpha1.SignatureKey:
		kept := kubeclient.Copy(current).(*signetv1alpha1.SignatureKey) //nolint:forcetypeassert // the same name
		if status {
			kept.Status = next.Status
			return kept
		}
		next.Status = kept.Status
	case *signetv1alpha1.SignatureBinding:
		kept := kubeclient.Copy(current).(*signetv1alpha1.SignatureBinding) //nolint:forcetypeassert // the same name
		if status {
			kept.Status = next.Status
			return kept
		}
		next.Status = kept.Status
	}
	return next
}

func (s *store) create(object client.Object) client.Object {
	s.uids++
	object.SetUID(types.UID("uid-" + strconv.Itoa(s.uids)))
	object.SetCreationTimestamp(metav1.NewTime(s.now))
	object.SetNamespace(namespace)
	return s.put(nil, object)
}

// put stores the next version of an object, or removes it if only its finalizers have
// kept it. It returns that version.
func (s *store) put(current, next client.Object) client.Object {
	s.versions++
	next.SetResourceVersion(strconv.Itoa(s.versions))
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 {
		s.remove(current)
		return kubeclient.Copy(next)
	}
	s.objects[nameOf(next)] = next
	s.changed(current, next)
	return kubeclient.Copy(next)
}

// delete is what a user, or the garbage collector, does.
func (s *store) delete(object client.Object) {
	if object.GetDeletionTimestamp() != nil {
		return
	}
	if len(object.GetFinalizers()) == 0 {
		s.remove(object)
		return
	}
	next := kubeclient.Copy(object)
	next.SetDeletionTimestamp(&metav1.Time{Time: s.now})
	s.put(object, next)
}

func (s *store) remove(object client.Object) {
	s.versions++
	delete(s.objects, nameOf(object))
	s.gone[nameOf(object)] = object
	s.changed(object, nil)
	for _, other := range s.sorted() {
		owned := slices.ContainsFunc(other.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == object.GetUID() })
		if owned {
			s.delete(other)
		}
	}
}

// sorted returns the objects in an order that does not vary.
func (o objects) sorted() []client.Object {
	sorted := make([]client.Object, 0, len(o))
	for _, object := range o {
		sorted = append(sorted, object)
	}
	slices.SortFunc(sorted, func(a, b client.Object) int {
		return slices.Compare([]string{fmt.Sprintf("%T", a), a.GetName()}, []string{fmt.Sprintf("%T", b), b.GetName()})
	})
	return sorted
}

// get returns an object of that type; nil if there is none.
func get[T client.Object](o objects, name string) T {
	object, _ := o[objectName{reflect.TypeFor[T](), name}].(T)
	return object
}

// all returns the objects of one type, in order.
func all[T client.Object](o objects) []T {
	var found []T
	for _, object := range o.sorted() {
		if object, ok := object.(T); ok {
			found = append(found, object)
		}
	}
	return found
}

// merged returns the object with a JSON merge patch.
func merged(object client.Object, patch []byte) (client.Object, error) {
	var document, changes map[string]any
	text, err := json.Marshal(object)
	if err := errors.Join(err, json.Unmarshal(text, &document), json.Unmarshal(patch, &changes)); err != nil {
		return nil, err
	}
	merge(document, changes)
	if text, err = json.Marshal(document); err != nil {
		return nil, err
	}
	next := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object) //nolint:forcetypeassert // the same type
	return next, json.Unmarshal(text, next)
}

func merge(document, changes map[string]any) {
	for field, value := range changes {
		inner, isObject := value.(map[string]any)
		switch known, _ := document[field].(map[string]any); {
		case value == nil:
			delete(document, field)
		case isObject && known != nil:
			merge(known, inner)
		case isObject:
			known = map[string]any{}
			merge(known, inner)
			document[field] = known
		default:
			document[field] = value
		}
	}
}
