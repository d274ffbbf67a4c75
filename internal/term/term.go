// SPDX-License-Identifier: Apache-2.0

package term

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// pageSize is the number of bindings in one page of a list.
const pageSize = 500

// Term is the time for which this process leads. Its fields are set before Begin.
type Term struct {
	// Cache has the keys, and Live is the API server.
	Cache, Live client.Reader
	// Claims is what decisions are made on.
	Claims *slots.ClaimCache
	// Namespaces that are served; empty means all.
	Namespaces []string

	mu    sync.Mutex
	begun bool
}

// Begin lists all bindings from the API server, at its first call that succeeds. Each
// reconcile of a key or binding calls it first.
func (t *Term) Begin(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun {
		return nil
	}
	namespaces := t.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		version, err := t.list(ctx, namespace)
		if err != nil {
			return err
		}
		if namespace == metav1.NamespaceAll {
			t.Claims.MarkPrimed(version)
		} else {
			t.Claims.Namespace(namespace).MarkPrimed(version)
		}
	}
	t.begun = true
	return nil
}

// list returns the resourceVersion of the list of bindings: all pages show the state at
// the first one.
func (t *Term) list(ctx context.Context, namespace string) (version string, err error) {
	var keys signetv1alpha1.SignatureKeyList
	if err := t.Cache.List(ctx, &keys, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("list SignatureKeys: %w", err)
	}
	for i := range keys.Items {
		t.Claims.ObserveKey(keys.Items[i].Namespace, keys.Items[i].Name, &keys.Items[i])
	}
	var page signetv1alpha1.SignatureBindingList
	for {
		err := t.Live.List(ctx, &page, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(page.Continue))
		if err != nil {
			return "", fmt.Errorf("list SignatureBindings: %w", err)
		}
		for i := range page.Items {
			t.Claims.Prime(&page.Items[i])
		}
		if page.Continue == "" {
			return page.ResourceVersion, nil
		}
		page.Items = nil
	}
}
