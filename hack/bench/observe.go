// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// expected is what a watch has to see of each of some objects of one kind.
type expected struct {
	list    client.ObjectList
	objects []client.Object
	met     func(watch.Event) bool
}

// observe makes a change and returns the time from its start until watches have seen
// everything that is expected of it.
func (b *bench) observe(ctx context.Context, change func() error, all ...expected) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen := make(chan error, len(all))
	for _, one := range all {
		wait, err := b.follow(ctx, one)
		if err != nil {
			return 0, err
		}
		go func() { seen <- wait() }()
	}
	start := time.Now()
	if err := change(); err != nil {
		return 0, err
	}
	var err error
	for range all {
		err = errors.Join(err, <-seen)
	}
	return time.Since(start), err
}

// follow lists the objects, and returns what waits for their changes after that. A watch
// that the API server ends, because this process was too slow for it, is resumed.
func (b *bench) follow(ctx context.Context, one expected) (wait func() error, err error) {
	namespace := commonNamespace(one.objects)
	if err := b.admin.List(ctx, one.list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	events, err := watchtools.NewRetryWatcherWithContext(ctx, one.list.GetResourceVersion(), &toolscache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return b.admin.Watch(ctx, one.list, &client.ListOptions{Namespace: namespace, Raw: &options})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	missing := map[client.ObjectKey]bool{}
	for _, object := range one.objects {
		missing[client.ObjectKeyFromObject(object)] = true
	}
	err = meta.EachListItem(one.list, func(object runtime.Object) error {
		one.check(watch.Event{Type: watch.Added, Object: object}, missing)
		return nil
	})
	return func() error { return one.wait(ctx, events.ResultChan(), missing) }, err
}

// commonNamespace returns the namespace of all objects, or empty if they are in several.
func commonNamespace(objects []client.Object) string {
	for _, object := range objects {
		if object.GetNamespace() != objects[0].GetNamespace() {
			return metav1.NamespaceAll
		}
	}
	return objects[0].GetNamespace()
}

// check removes the object of an event from those that are missing if it is as expected.
func (e expected) check(event watch.Event, missing map[client.ObjectKey]bool) {
	if object, ok := event.Object.(client.Object); ok && e.met(event) {
		delete(missing, client.ObjectKeyFromObject(object))
	}
}

func (e expected) wait(ctx context.Context, events <-chan watch.Event, missing map[client.ObjectKey]bool) error {
	for len(missing) > 0 {
		select {
		case event, open := <-events:
			if !open || event.Type == watch.Error {
				return fmt.Errorf("the watch of %T ended before %d of %d objects were as expected: %v", e.list, len(missing), len(e.objects), event.Object)
			}
			e.check(event, missing)
		case <-ctx.Done():
			return fmt.Errorf("%d of %d objects of %T are not as expected: %w", len(missing), len(e.objects), e.list, ctx.Err())
		}
	}
	return nil
}

// keysThat and bindingsThat are what is expected of keys and of bindings.
func keysThat(met func(watch.Event) bool, keys []client.Object) expected {
	return expected{list: &signetv1alpha1.SignatureKeyList{}, objects: keys, met: met}
}

func bindingsThat(met func(watch.Event) bool, bindings []client.Object) expected {
	return expected{list: &signetv1alpha1.SignatureBindingList{}, objects: bindings, met: met}
}

func isDeleted(event watch.Event) bool { return event.Type == watch.Deleted }

// isReady and isInUse report whether an object has the condition.
func isReady(event watch.Event) bool { return hasCondition(event, signetv1alpha1.ConditionReady) }
func isInUse(event watch.Event) bool { return hasCondition(event, signetv1alpha1.ConditionInUse) }

func hasCondition(event watch.Event, condition string) bool {
	switch object := event.Object.(type) {
	case *signetv1alpha1.SignatureKey:
		return meta.IsStatusConditionTrue(object.Status.Conditions, condition)
	case *signetv1alpha1.SignatureBinding:
		return meta.IsStatusConditionTrue(object.Status.Conditions, condition)
	default:
		return false
	}
}

// isReleased reports whether an object that stays has no finalizer.
func isReleased(event watch.Event) bool {
	object, ok := event.Object.(client.Object)
	return ok && len(object.GetFinalizers()) == 0
}

// applyPairs creates keys and bindings, and returns the time until the bindings are
// Bound and the keys report that they are in use.
func (b *bench) applyPairs(ctx context.Context, namespaces []string, first, end int) (time.Duration, error) {
	pairs := newPairs(namespaces, first, end, b.apis)
	return b.observe(ctx, func() error { return b.createAll(ctx, pairs) },
		keysThat(isInUse, newKeys(namespaces, first, end)), bindingsThat(isReady, newBindings(namespaces, first, end, b.apis)))
}

// applyKeys creates keys and returns the time until they are Ready.
func (b *bench) applyKeys(ctx context.Context, keys []client.Object) (time.Duration, error) {
	return b.observe(ctx, func() error { return b.createAll(ctx, keys) }, keysThat(isReady, keys))
}

// quiet returns when nothing has been written for some time.
func (b *bench) quiet(ctx context.Context) error {
	const still = 3 * time.Second
	var last string
	since := time.Now()
	return until(ctx, "the controllers to finish", func() error {
		now, err := b.requests(ctx)
		if err != nil {
			return err
		}
		if text := fmt.Sprint(now); text != last {
			last, since = text, time.Now()
		}
		if time.Since(since) < still {
			return errors.New("requests continue")
		}
		return nil
	})
}
