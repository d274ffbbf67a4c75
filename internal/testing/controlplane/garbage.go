// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// WaitForGarbageCollector returns when the garbage collector knows the kind of
// the object: it learns new kinds every 30 seconds only. The object is created,
// with a dependent ConfigMap, and deleted in the foreground.
func (cp *ControlPlane) WaitForGarbageCollector(ctx context.Context, owner *unstructured.Unstructured) error {
	c, err := client.New(cp.Config, client.Options{})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if err := c.Create(ctx, owner); err != nil {
		return fmt.Errorf("create %s %s: %w", owner.GetKind(), owner.GetName(), err)
	}
	dependent := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": owner.GetName() + "-probe", "namespace": owner.GetNamespace(),
			"ownerReferences": []any{map[string]any{
				"apiVersion": owner.GetAPIVersion(), "kind": owner.GetKind(),
				"name": owner.GetName(), "uid": string(owner.GetUID()),
			}},
		},
	}}
	if err := c.Create(ctx, dependent); err != nil {
		return fmt.Errorf("create a dependent ConfigMap: %w", err)
	}
	if err := c.Delete(ctx, owner); err != nil {
		return fmt.Errorf("delete %s %s: %w", owner.GetKind(), owner.GetName(), err)
	}
	return proc.Until(ctx, proc.Long, "the garbage collector to know "+owner.GetKind(), func() error {
		err := c.Get(ctx, client.ObjectKeyFromObject(dependent), dependent.DeepCopy())
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = errors.New("the dependent is still there")
		}
		return err
	})
}
