// SPDX-License-Identifier: Apache-2.0

package kubeclient_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/signet-dev/signet/internal/kubeclient"
)

// Every write of a process that no longer leads is skipped, and its reads are not.
func TestWritesOfADeposedLeader(t *testing.T) {
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`))
	for name, write := range map[string]func(context.Context, client.Client, *corev1.Pod) error{
		"Create": func(ctx context.Context, c client.Client, _ *corev1.Pod) error {
			return c.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "other"}})
		},
		"Update": func(ctx context.Context, c client.Client, pod *corev1.Pod) error { return c.Update(ctx, pod) },
		"Patch":  func(ctx context.Context, c client.Client, pod *corev1.Pod) error { return c.Patch(ctx, pod, patch) },
		"Apply": func(ctx context.Context, c client.Client, _ *corev1.Pod) error {
			return c.Apply(ctx, corev1ac.Pod("orders", "shop"), client.FieldOwner("test"), client.ForceOwnership)
		},
		"Delete": func(ctx context.Context, c client.Client, pod *corev1.Pod) error { return c.Delete(ctx, pod) },
		"DeleteAllOf": func(ctx context.Context, c client.Client, _ *corev1.Pod) error {
			return c.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace("shop"))
		},
		"Status().Update": func(ctx context.Context, c client.Client, pod *corev1.Pod) error { return c.Status().Update(ctx, pod) },
		"Status().Patch": func(ctx context.Context, c client.Client, pod *corev1.Pod) error {
			return c.Status().Patch(ctx, pod, patch)
		},
		"Status().Apply": func(ctx context.Context, c client.Client, _ *corev1.Pod) error {
			return c.Status().Apply(ctx, corev1ac.Pod("orders", "shop"), client.FieldOwner("test"), client.ForceOwnership)
		},
	} {
		t.Run(name, func(t *testing.T) {
			stored := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}}
			leads := false
			c := kubeclient.WhileLeading(fake.NewClientBuilder().WithObjects(stored).WithStatusSubresource(stored).Build(), func() bool { return leads })
			pod := &corev1.Pod{}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(stored), pod); err != nil {
				t.Fatal(err)
			}
			version := pod.ResourceVersion
			if err := write(t.Context(), c, pod.DeepCopy()); !errors.Is(err, kubeclient.ErrNotLeading) {
				t.Errorf("write without the lease = %v, want %v", err, kubeclient.ErrNotLeading)
			}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(stored), pod); err != nil || pod.ResourceVersion != version {
				t.Errorf("the object has changed: %v", err)
			}
			leads = true
			if err := write(t.Context(), c, pod); err != nil {
				t.Errorf("write with the lease = %v", err)
			}
		})
	}
}
