// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// pageSize is the number of bindings in one page of a list.
const pageSize = 500

// prime lists all bindings from the API server, once after the lease was acquired:
// a cache that lags could hide writes of the previous leader.
func (r *Reconciler) prime(ctx context.Context) error {
	r.priming.Lock()
	defer r.priming.Unlock()
	if r.primed {
		return nil
	}
	if err := r.Routes.WaitForSync(ctx); err != nil {
		return err
	}
	namespaces := r.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		if err := r.primeNamespace(ctx, namespace); err != nil {
			return err
		}
	}
	r.Claims.MarkPrimed()
	r.primed = true
	return nil
}

func (r *Reconciler) primeNamespace(ctx context.Context, namespace string) error {
	var page signetv1alpha1.SignatureBindingList
	for {
		err := r.Live.List(ctx, &page, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(page.Continue))
		if err != nil {
			return fmt.Errorf("list SignatureBindings: %w", err)
		}
		for i := range page.Items {
			r.Claims.Prime(&page.Items[i])
		}
		if page.Continue == "" {
			return nil
		}
		page.Items = nil
	}
}
