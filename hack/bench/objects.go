// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// newNamespaces creates namespaces with names that no earlier one had.
func (b *bench) newNamespaces(ctx context.Context, count int) ([]string, error) {
	names := make([]string, count)
	for i := range names {
		b.created++
		names[i] = fmt.Sprintf("bench-%03d", b.created)
		if err := b.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names[i]}}); err != nil {
			return nil, fmt.Errorf("create namespace %s: %w", names[i], err)
		}
	}
	return names, nil
}

// newNamespace is newNamespaces for one.
func (b *bench) newNamespace(ctx context.Context) (string, error) {
	names, err := b.newNamespaces(ctx, 1)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

func pairName(i int) string { return fmt.Sprintf("pair-%05d", i) }

// newKeys returns the keys from first to before end, spread over the namespaces.
func newKeys(namespaces []string, first, end int, options ...gen.KeyOption) []client.Object {
	var keys []client.Object
	for i := first; i < end; i++ {
		key := gen.SignatureKey(pairName(i), options...)
		key.Namespace = namespaces[i%len(namespaces)]
		keys = append(keys, key)
	}
	return keys
}

// newBindings returns a binding for each of those keys.
func newBindings(namespaces []string, first, end, apis int) []client.Object {
	var bindings []client.Object
	for i := first; i < end; i++ {
		binding := gen.SignatureBinding(pairName(i), pairName(i), gen.WithAPIs(apiNames(i, apis)...))
		binding.Namespace = namespaces[i%len(namespaces)]
		bindings = append(bindings, binding)
	}
	return bindings
}

// newPairs returns each key followed by its binding.
func newPairs(namespaces []string, first, end, apis int) []client.Object {
	bindings := newBindings(namespaces, first, end, apis)
	var pairs []client.Object
	for i, key := range newKeys(namespaces, first, end) {
		pairs = append(pairs, key, bindings[i])
	}
	return pairs
}

func apiNames(binding, count int) []string {
	names := make([]string, count)
	for api := range names {
		names[api] = fmt.Sprintf("api-%05d-%04d", binding, api)
	}
	return names
}

// createAll creates objects in their order with several writers, as a GitOps tool does.
func (b *bench) createAll(ctx context.Context, objects []client.Object) error {
	return b.forAll(objects, func(object client.Object) error {
		if err := b.admin.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s: %w", object.GetName(), err)
		}
		return nil
	})
}

// deleteAll deletes objects one by one with several writers.
func (b *bench) deleteAll(ctx context.Context, objects []client.Object) error {
	return b.forAll(objects, func(object client.Object) error {
		if err := b.admin.Delete(ctx, object); err != nil {
			return fmt.Errorf("delete %s: %w", object.GetName(), err)
		}
		return nil
	})
}

func (b *bench) forAll(objects []client.Object, call func(client.Object) error) error {
	const writers = 8
	failed := make(chan error, writers)
	for writer := range writers {
		go func() {
			for i := writer; i < len(objects); i += writers {
				if err := call(objects[i]); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	var err error
	for range writers {
		err = errors.Join(err, <-failed)
	}
	return err
}

// clean removes namespaces with all that is in them, and returns when they are gone. It
// needs a leader, or a bare loop, that removes the finalizers. Bindings go first: a
// namespace that has to wait for finalizers is retried after many seconds only.
func (b *bench) clean(ctx context.Context, namespaces ...string) error {
	for _, list := range []client.Object{&signetv1alpha1.SignatureBinding{}, &signetv1alpha1.SignatureKey{}} {
		for _, namespace := range namespaces {
			// A collection of large objects takes longer than a request may.
			err := until(ctx, "what is in namespace "+namespace+" to be deleted", func() error {
				return b.admin.DeleteAllOf(ctx, list, client.InNamespace(namespace))
			})
			if err != nil {
				return err
			}
		}
	}
	err := until(ctx, "the keys to be gone", func() error {
		for _, namespace := range namespaces {
			keys := &signetv1alpha1.SignatureKeyList{}
			if err := b.admin.List(ctx, keys, client.InNamespace(namespace), client.Limit(1)); err != nil {
				return err
			}
			if len(keys.Items) > 0 {
				return fmt.Errorf("namespace %s has keys", namespace)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = b.deleteNamespaces(ctx, namespaces...)
	return err
}

// deleteNamespaces returns the time until the namespaces are gone.
func (b *bench) deleteNamespaces(ctx context.Context, namespaces ...string) (time.Duration, error) {
	var objects []client.Object
	for _, name := range namespaces {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return b.observe(ctx, func() error { return b.deleteAll(ctx, objects) },
		expected{list: &corev1.NamespaceList{}, objects: objects, met: isDeleted})
}
